import type { Chunk } from '../document.js';
import type { Chunker } from '../chunkers/chunker.js';
import type { KvArena } from '../engine/arena.js';
import type { KvEngine } from '../engine/engine.js';
import type { PromptLayout } from '../prompt.js';
import type { Retriever } from '../retrieve/retriever.js';
import type { KeyScope } from '../store/chunk-key.js';
import type { ChunkStore } from '../store/chunk-store.js';
import type { BackgroundWriter } from './background-writer.js';
import type { CellBudget } from './cell-budget.js';
import type { KvLibrary, Wanted } from './kv-library.js';
import type { CanonicalPrefix } from './prefix.js';
import type { Registry } from './registry.js';
import type { Speed } from './speed.js';

/** The parts of a weave that asking and ingesting share. */
export interface WeaveKit {
  readonly engine: KvEngine;
  readonly arena: KvArena;
  readonly cells: CellBudget;
  readonly layout: PromptLayout;
  readonly prefix: CanonicalPrefix;
  readonly library: KvLibrary;
  readonly wanted: WantedPassages;
  readonly store: ChunkStore;
  readonly writer: BackgroundWriter;
  readonly speed: Speed;
  readonly chunker: Chunker;
  readonly retriever: Retriever;
  readonly registry: Registry;
}

/** A chunk's tokens as they stand in prompts and the key of their KV, each made once. */
export class WantedPassages {
  readonly #layout: PromptLayout;
  readonly #keys: KeyScope;
  readonly #known = new WeakMap<Chunk, Promise<Wanted>>();

  constructor(layout: PromptLayout, keys: KeyScope) {
    this.#layout = layout;
    this.#keys = keys;
  }

  of(chunk: Chunk): Promise<Wanted> {
    let wanted = this.#known.get(chunk);
    if (!wanted) {
      const tokens = this.#layout.passage(chunk);
      wanted = this.#keys.key(tokens).then((key) => ({ key, tokens }));
      this.#known.set(chunk, wanted);
    }
    return wanted;
  }
}
