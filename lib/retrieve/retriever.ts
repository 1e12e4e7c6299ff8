import type { Chunk } from '../document.js';
import type { MetadataFilter } from './filter.js';

/** Finds chunks for a question. */
export interface Retriever {
  /** Adds chunks, or replaces those with the same id. */
  add(chunks: readonly Chunk[], options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Removes chunks by id; unknown ids are left alone. */
  remove(ids: readonly string[]): Promise<void>;
  /** The best `k` chunks, best first; fewer where fewer match. */
  search(question: string, options: SearchOptions): Promise<ScoredChunk[]>;
  /**
   * All chunks that it holds, in any order. Without it a weave does not know which text precedes a chunk of an index
   * that was restored, until its document is ingested.
   */
  chunks?(): Iterable<Chunk>;
  readonly size: number;
}

export interface SearchOptions {
  readonly k: number;
  /** Only chunks whose metadata meet it; see `fieldsOf` for what it sees. Default all. */
  readonly filter?: MetadataFilter;
  readonly signal?: AbortSignal;
}

export interface ScoredChunk {
  readonly chunk: Chunk;
  /** Higher is better; comparable only within one search. */
  readonly score: number;
}
