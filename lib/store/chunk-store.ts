import type { ChunkKv } from '../engine/chunk-kv.js';

/**
 * Keeps chunk KV under keys. A record that is missing, damaged or of another format is a miss, never an
 * error on the answer path; the damage is counted in {@link StoreStats.corrupt}.
 */
export interface ChunkStore extends AsyncDisposable {
  get(key: string, options?: { readonly signal?: AbortSignal }): Promise<ChunkRecord | undefined>;
  has(key: string): Promise<boolean>;
  /** Resolves to false when the record was not kept: too large for the bound, or no space left. */
  put(
    key: string,
    record: ChunkRecord,
    options?: { readonly signal?: AbortSignal },
  ): Promise<boolean>;
  /** True when there was such a record. */
  delete(key: string): Promise<boolean>;
  /** Keys, in no particular order. */
  list(): AsyncIterable<string>;
  stats(): Promise<StoreStats>;
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** A chunk's KV and what is known of it. */
export interface ChunkRecord {
  readonly kv: ChunkKv;
  /** Milliseconds that computing it took when it was made. */
  readonly computeMs: number;
  /** Milliseconds since the epoch. */
  readonly created: number;
}

export interface StoreStats {
  readonly records: number;
  readonly bytes: number;
  /** Bound in bytes; Infinity where there is none. */
  readonly maxBytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
  /** Records found damaged, and removed. */
  readonly corrupt: number;
}
