import type { Embedder } from './embedder.js';
import type { MetadataFilter } from './filter.js';
import type { VectorMetadata } from './vector-metadata.js';

/**
 * How near two vectors are, as a score of which higher is nearer:
 * - `cosine`: the cosine of the angle between them, in [-1, 1]. Vectors are brought to length 1 when they are added,
 *   and a vector of zeros is refused.
 * - `dot`: the sum of the products of their components.
 * - `euclidean`: minus the distance between them, so 0 at best.
 */
export type VectorMetric = 'cosine' | 'dot' | 'euclidean';

/**
 * Nearest neighbours among vectors that carry an id and metadata.
 *
 * What is wrong is found out before anything is changed: a call that throws InvalidArgumentError did nothing. Calls
 * that change the index happen one after another; a query that runs meanwhile sees an entry as it was before or
 * after, never a mixture. After `close()` every call throws DisposedError.
 */
export interface VectorIndex {
  /** Length of every vector. */
  readonly dimensions: number;
  readonly metric: VectorMetric;
  /** Of the embedder that the vectors come from. */
  readonly fingerprint: string;
  /** How many entries it holds. */
  size(options?: VectorCallOptions): Promise<number>;
  /**
   * Adds entries with new ids. When it is aborted, what was added until then stays.
   * @throws InvalidArgumentError for a vector of a wrong length, or with a component that is no finite number, or of
   * zeros where the metric is `cosine`, or longer than {@link maxVectorLength}; for an id that is there or comes twice;
   * for metadata that is no plain JSON.
   */
  add(entries: readonly VectorEntry[], options?: VectorCallOptions): Promise<void>;
  /** Adds entries, or replaces those of the same id as a whole. Of an id that comes twice, the last one counts. */
  upsert(entries: readonly VectorEntry[], options?: VectorCallOptions): Promise<void>;
  /** Removes entries by id and tells how many there were; unknown ids are left alone. */
  remove(ids: readonly string[], options?: VectorCallOptions): Promise<number>;
  /**
   * The `k` nearest entries, nearest first and those of equal score by id; fewer where fewer are there or match.
   * @throws InvalidArgumentError for a `k` that is no whole number of at least 1, for vectors that `add` refuses, and
   * for a filter that is none.
   */
  query(vector: Float32Array, options: VectorQueryOptions): Promise<VectorMatch[]>;
  /** Removes everything. */
  clear(options?: VectorCallOptions): Promise<void>;
  /** Lets go of what it holds; entries of a database stay there. */
  close(): Promise<void>;
}

/** An index in memory, which can be kept as bytes. */
export interface SavableVectorIndex extends VectorIndex {
  /**
   * All of it, in pieces of some 1 MB, with checksums, metric, dimension and fingerprint. Changes wait until the last
   * piece is taken; `saveVectorIndex` of `chunkweave/fs` makes a file of them.
   */
  toBytes(options?: VectorCallOptions): AsyncIterable<Uint8Array>;
  /** A copy of an entry's vector, of length 1 where the metric is `cosine`; undefined for an id that is not there. */
  vectorOf(id: string): Float32Array | undefined;
}

/** What a single call of an index may be given. */
export interface VectorCallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What an index must know of the embedder that its vectors come from; any {@link Embedder} will do. */
export type VectorSource = Pick<Embedder, 'fingerprint' | 'dimensions'>;

export interface VectorEntry {
  /** Not empty, and without the character U+0000. */
  readonly id: string;
  /** `[dimensions]`; copied. */
  readonly vector: Float32Array;
  /**
   * Plain JSON, copied: texts, finite numbers, booleans, null, lists and objects. What is undefined is left out. Texts
   * hold no U+0000 and no halves of surrogate pairs, so that every database can keep them.
   */
  readonly metadata?: VectorMetadata;
}

export interface VectorQueryOptions extends VectorCallOptions {
  /** A whole number of at least 1; more than there are gives all. */
  readonly k: number;
  /** Only entries whose metadata match. */
  readonly filter?: MetadataFilter | undefined;
}

export interface VectorMatch {
  readonly id: string;
  /** Similarity; higher is nearer. See {@link VectorMetric}. */
  readonly score: number;
  /** As it was given; empty where there was none. */
  readonly metadata: VectorMetadata;
}

/** The greatest length (the root of the sum of squares) of a vector, so that no metric overflows in single precision. */
export const maxVectorLength = 1e18;
