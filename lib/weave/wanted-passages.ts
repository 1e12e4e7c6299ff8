import type { Chunk } from '../document.js';
import type { PromptLayout } from '../prompt.js';
import type { KeyScope } from '../store/chunk-key.js';
import type { Wanted } from './kv-library.js';

/** A chunk's tokens as they stand in prompts and the key of their KV right after the prefix, each made once. */
export class WantedPassages {
  readonly #layout: PromptLayout;
  readonly #keys: KeyScope;
  readonly #known = new WeakMap<Chunk, Promise<Wanted>>();
  /** Keys of passages that are in no document any more. */
  readonly #forgotten = new Set<string>();

  constructor(layout: PromptLayout, keys: KeyScope) {
    this.#layout = layout;
    this.#keys = keys;
  }

  of(chunk: Chunk): Promise<Wanted> {
    let wanted = this.#known.get(chunk);
    if (!wanted) {
      wanted = this.#make(chunk);
      this.#known.set(chunk, wanted);
    }
    return wanted;
  }

  /** From now on an answer that still uses the passage leaves nothing of it behind. */
  forget(key: string): void {
    this.#forgotten.add(key);
  }

  isForgotten(key: string): boolean {
    return this.#forgotten.has(key);
  }

  async #make(chunk: Chunk): Promise<Wanted> {
    const tokens = this.#layout.passage(chunk);
    const { documentId, start, end } = chunk;
    const key = await this.#keys.key(tokens);
    // It came (back) with a document.
    this.#forgotten.delete(key);
    return { key, tokens, source: { documentId, start, end } };
  }
}
