/** What an eviction policy may know of a record. */
export interface EvictionEntry {
  readonly key: string;
  readonly bytes: number;
  /** Milliseconds that computing the record again would take. */
  readonly computeMs: number;
}

/** How a record was used. */
export interface EvictionUse {
  /**
   * Share of the record's tokens that had to be computed again for this use, in [0, 1]; undefined where
   * nobody measured it.
   */
  readonly fixOverhead?: number;
  /** The use was told of before, without its overhead; default false. */
  readonly isCounted?: boolean;
}

/**
 * Decides which record goes first when a store is full. The store tells it of every record that comes, is
 * used and goes; it holds keys and numbers, never records. Not shared between stores.
 */
export interface EvictionPolicy {
  readonly name: string;
  /** A record came, or took the place of another with its key. */
  insert(entry: EvictionEntry): void;
  touch(key: string, use?: EvictionUse): void;
  remove(key: string): void;
  /** The key to go first among those that are not kept; undefined when there is none. Stays until removed. */
  victim(isKept: (key: string) => boolean): string | undefined;
  /**
   * Whether a record is worth the place of those that would have to go. Default: always, since what was
   * just computed is the likeliest to be used next.
   */
  admits?(entry: EvictionEntry, victims: readonly string[]): boolean;
}

/** Makes a policy for one store. */
export type EvictionPolicyFactory = () => EvictionPolicy;
