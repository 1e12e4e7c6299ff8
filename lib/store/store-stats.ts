/** Why a record was not found. */
export type MissReason =
  /** There is none. */
  | 'absent'
  /** It was damaged, or forged where records are signed. It is put aside and counted once. */
  | 'corrupt'
  /** It is of another version of the format. */
  | 'format'
  /** The store did not answer within its deadline. */
  | 'late'
  /** The store failed, or is left alone because it failed before. */
  | 'failed'
  /** Loading it would have taken longer than computing it. */
  | 'not-worth-it';

/** Why a record went. */
export type EvictionReason =
  /** Others needed the space. */
  | 'space'
  /** A more useful variant of the same chunk took its place. */
  | 'variant'
  /** It outlived the store's time to live. */
  | 'expired';

export interface StoreStats {
  readonly records: number;
  readonly bytes: number;
  /** Bound in bytes; Infinity where there is none. */
  readonly maxBytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly missesBy: Readonly<Partial<Record<MissReason, number>>>;
  readonly evictions: number;
  readonly evictionsBy: Readonly<Partial<Record<EvictionReason, number>>>;
  /** Records found damaged, and put aside. */
  readonly corrupt: number;
  /** Puts that were not kept. */
  readonly refused: number;
  /** Milliseconds that hits took, of the last 1,024; absent before the first. */
  readonly loadMs?: Percentiles;
  /** What hits saved. */
  readonly saved: { readonly tokens: number; readonly recomputeMs: number };
  /** Of a store made of several, fastest first. */
  readonly tiers?: readonly StoreStats[];
  readonly name: string;
}

/** Half, nine tenths and 99 hundredths of the values are at most so much. */
export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** What happened in a store, as it happens. */
export type StoreEvent = { readonly store: string } & (
  | {
      readonly type: 'hit';
      readonly key: string;
      readonly bytes: number;
      readonly tokens: number;
      readonly loadMs: number;
      readonly recomputeMs: number;
    }
  | { readonly type: 'miss'; readonly key: string; readonly reason: MissReason }
  | { readonly type: 'put'; readonly key: string; readonly bytes: number; readonly kept: boolean }
  | {
      readonly type: 'evict';
      readonly key: string;
      readonly bytes: number;
      readonly reason: EvictionReason;
    }
  /** Told once a record. */
  | { readonly type: 'corrupt'; readonly key: string; readonly problem: string }
  /** A tier is left alone after failures, or used again. */
  | { readonly type: 'circuit'; readonly state: 'open' | 'closed'; readonly problem?: string }
);

export type StoreListener = (event: StoreEvent) => void;
