/** Nearest neighbours among vectors that carry an id and metadata. */
export interface VectorIndex {
  readonly dimensions: number;
  readonly size: number;
  /** @throws InvalidArgumentError for a wrong length, values that are not finite, or an id already there. */
  add(entries: readonly VectorEntry[], options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Adds or replaces. */
  upsert(
    entries: readonly VectorEntry[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<void>;
  /** Removes by id; unknown ids are left alone. */
  remove(ids: readonly string[]): Promise<void>;
  /** At most `k` entries, nearest first. */
  query(vector: Float32Array, options: VectorQueryOptions): Promise<VectorMatch[]>;
  clear(): Promise<void>;
}

export interface VectorEntry {
  readonly id: string;
  readonly vector: Float32Array;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface VectorQueryOptions {
  readonly k: number;
  readonly filter?: (metadata: Readonly<Record<string, unknown>>) => boolean;
  readonly signal?: AbortSignal;
}

export interface VectorMatch {
  readonly id: string;
  /** Similarity; higher is nearer. */
  readonly score: number;
}
