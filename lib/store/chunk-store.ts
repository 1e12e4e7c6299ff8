import type { ChunkKv, LayerRange } from '../engine/chunk-kv.js';
import type { KvLayout } from '../engine/model-info.js';
import type { Access } from './chunk-key.js';
import type { EvictionReason, StoreStats } from './store-stats.js';

export type { StoreStats } from './store-stats.js';

/**
 * Keeps chunk KV under keys: chunk keys, or keys of variants of a chunk (see `chunkKey` and `variantKey`). A record
 * that is missing, damaged, forged or of another format is a miss, never an error on the answer path; misses are
 * counted by reason in {@link StoreStats}.
 *
 * Every method rejects with `InvalidArgumentError` for a key that is none, with `DisposedError` after
 * {@link close}, and with the signal's reason when it aborts.
 */
export interface ChunkStore extends AsyncDisposable {
  /** Whose records these are. A weave of another tenant or label refuses the store; absent where it cannot tell. */
  readonly access?: Required<Access>;
  get(key: string, options?: GetOptions): Promise<ChunkRecord | undefined>;
  /**
   * Reads layers one after another, each as KV of that layer alone, to be spliced while later ones are still being
   * read. Yields nothing on a miss.
   * @throws StoreError in the middle, where what follows turns out to be damaged or gone.
   */
  getLayers(key: string, options?: GetLayersOptions): AsyncIterable<ChunkKv>;
  /** What is known of a record, without its KV. Does not count as a use. */
  info(key: string): Promise<RecordInfo | undefined>;
  has(key: string): Promise<boolean>;
  /**
   * Where a record would be read from: the name of the tier, as the cost model knows it. Undefined where there is none. Stores
   * that are of one piece do without.
   */
  where?(key: string): Promise<string | undefined>;
  /** Resolves to false when the record was not kept: too large for the bound, or no space left. */
  put(key: string, record: ChunkRecord, options?: StoreCallOptions): Promise<boolean>;
  /** True when there was such a record. */
  delete(key: string, options?: DeleteOptions): Promise<boolean>;
  /** Keys, in no particular order. */
  list(options?: ListOptions): AsyncIterable<string>;
  stats(): Promise<StoreStats>;
  clear(): Promise<void>;
  close(): Promise<void>;
  /**
   * Asks to be the one who computes a record, among all who share the store. Undefined while someone else is; a
   * holder that died loses it after `ttlMs`. Stores that are not shared do without.
   */
  lease?(key: string, options: LeaseOptions): Promise<Lease | undefined>;
  /**
   * Told of uses that the store did not see, or of what is known of one only afterwards, so that what is popular does
   * not look old to whoever evicts. Of a record that is not there it does nothing. Stores that do not evict by use, or
   * count by themselves, do without; a failure is nobody's concern.
   */
  used?(key: string, use: RecordUse): Promise<void>;
}

export interface RecordUse {
  /** Uses that were not seen here, for example because a faster tier had the record; default 0. */
  readonly unseen?: number;
  /**
   * Share of the record's tokens that had to be computed again for a use that was counted already, in [0, 1].
   */
  readonly fixOverhead?: number;
}

/** What a single call of a store may be given. */
export interface StoreCallOptions {
  readonly signal?: AbortSignal;
}

export interface GetOptions extends StoreCallOptions {
  /**
   * What a miss would cost. A store that expects to take longer says it has no such record (the miss reason is
   * `not-worth-it`).
   */
  readonly worth?: LoadWorth;
}

export interface LoadWorth {
  /** Milliseconds that computing the record would take. */
  readonly recomputeMs: number;
  /** Bytes of the record's KV, before any codec. */
  readonly bytes: number;
}

export interface GetLayersOptions extends GetOptions {
  /** Default all that the record holds. */
  readonly layers?: LayerRange;
}

export interface DeleteOptions {
  /** Counts it as an eviction for this reason. Default: it is none. */
  readonly evictedFor?: EvictionReason;
}

export interface ListOptions extends StoreCallOptions {
  /** A chunk key: list it and its variants only. */
  readonly chunk?: string;
}

export interface LeaseOptions extends StoreCallOptions {
  /** Milliseconds until the lease ends by itself. */
  readonly ttlMs: number;
}

/** The right to compute a record, until it is released or runs out. */
export interface Lease extends AsyncDisposable {
  release(): Promise<void>;
}

/** A chunk's KV and what is known of it. */
export interface ChunkRecord extends RecordNotes {
  readonly kv: ChunkKv;
  /** Milliseconds that computing it took when it was made. */
  readonly computeMs: number;
  /** Milliseconds since the epoch. */
  readonly created: number;
}

export interface RecordNotes {
  /** Where the chunk's text comes from. */
  readonly source?: RecordSource;
  /** What the encoding saw before the chunk, besides the prefix; absent when that was nothing. */
  readonly context?: EncodingContext;
  /**
   * What a policy keeps with a variant, for example attention statistics: numbers, text, lists, plain objects and
   * `Uint8Array`s. Stores keep it as it is and never look inside.
   */
  readonly details?: unknown;
}

export interface RecordSource {
  readonly documentId: string;
  /** UTF-16 units of the document's text, from `start` (included) to `end` (excluded). */
  readonly start: number;
  readonly end: number;
}

export interface EncodingContext {
  /** Keys of the chunks that were attended to, in order; of a mean of several encodings, those of one after another. */
  readonly chunks: readonly string[];
  /** Tokens of the document before the chunk that belong to no chunk. */
  readonly warmupTokens: number;
}

/** A record without its KV. */
export interface RecordInfo extends RecordNotes {
  readonly key: string;
  readonly fingerprint: string;
  readonly layout: KvLayout;
  readonly layers: LayerRange;
  readonly tokens: Int32Array;
  /** Bytes that it takes in the store. */
  readonly bytes: number;
  /** Name of the codec that the store keeps it in. */
  readonly codec: string;
  readonly computeMs: number;
  readonly created: number;
  /** Milliseconds since the epoch; `created` while it was never used. */
  readonly lastUsed: number;
  readonly hits: number;
}
