import type { Chunk } from '../document.js';
import type { ChunkStore } from '../store/chunk-store.js';
import { forgetChunks } from '../store/variants.js';
import type { BackgroundWriter } from './background-writer.js';
import type { WantedPassages } from './wanted-passages.js';
import type { Registry } from './registry.js';

export interface ForgetterOptions {
  readonly store: ChunkStore;
  readonly writer: BackgroundWriter;
  readonly wanted: WantedPassages;
  readonly registry: Registry;
  /** Warm-ups that are of no document. */
  readonly neutral: readonly Int32Array[];
}

export interface Forgotten {
  /** Passages that may have left something behind. */
  readonly left: number;
  /** Why, where there are any. */
  readonly problem?: unknown;
}

/**
 * Deletes what was made from passages that are in no document any more, and from whatever attended to them.
 * What the store does not let go of now is tried again with what comes next.
 */
export class Forgetter {
  readonly #options: ForgetterOptions;
  readonly #chunks = new Set<Chunk>();

  constructor(options: ForgetterOptions) {
    this.#options = options;
  }

  /** Passages that a document had, and may still have. */
  add(chunks: readonly Chunk[]): void {
    for (const chunk of chunks) this.#chunks.add(chunk);
  }

  async run(): Promise<Forgotten> {
    const { store, writer, wanted, registry, neutral } = this.#options;
    const keys = new Set<string>();
    const documents = new Set<string>();
    for (const chunk of this.#chunks) {
      if (registry.hasText(chunk.text)) {
        this.#chunks.delete(chunk);
        continue;
      }
      documents.add(chunk.documentId);
      keys.add((await wanted.of(chunk)).key);
    }
    if (keys.size === 0) return { left: 0 };
    for (const key of keys) wanted.forget(key);
    // A record still on its way to the store would come back after it was deleted.
    await writer.idle();
    try {
      await forgetChunks(store, [...keys], { documents: [...documents], neutral });
    } catch (problem) {
      return { left: this.#chunks.size, problem };
    }
    this.#chunks.clear();
    return { left: 0 };
  }
}
