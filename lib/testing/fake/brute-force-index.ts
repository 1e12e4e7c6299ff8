import { InvalidArgumentError } from '../../errors.js';
import type {
  VectorEntry,
  VectorIndex,
  VectorMatch,
  VectorQueryOptions,
} from '../../retrieve/vector-index.js';

/** A {@link VectorIndex} that compares with every vector by their inner product; for tests. */
export class BruteForceIndex implements VectorIndex {
  readonly dimensions: number;
  readonly #entries = new Map<string, VectorEntry>();

  constructor(dimensions: number) {
    this.dimensions = dimensions;
  }

  get size(): number {
    return this.#entries.size;
  }

  async add(
    entries: readonly VectorEntry[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const ids = new Set(entries.map(({ id }) => id));
    if (ids.size < entries.length || entries.some(({ id }) => this.#entries.has(id))) {
      throw new InvalidArgumentError('An id is there already; use upsert() to replace.');
    }
    await this.upsert(entries, options);
  }

  async upsert(
    entries: readonly VectorEntry[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    signal?.throwIfAborted();
    for (const { vector } of entries) this.#check(vector);
    for (const entry of entries) {
      this.#entries.set(entry.id, { ...entry, vector: entry.vector.slice() });
    }
  }

  async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#entries.delete(id);
  }

  async query(
    vector: Float32Array,
    { k, filter, signal }: VectorQueryOptions,
  ): Promise<VectorMatch[]> {
    signal?.throwIfAborted();
    this.#check(vector);
    const matches: VectorMatch[] = [];
    for (const { id, vector: its, metadata = {} } of this.#entries.values()) {
      if (filter && !filter(metadata)) continue;
      let score = 0;
      for (let i = 0; i < its.length; i++) score += (its[i] as number) * (vector[i] as number);
      matches.push({ id, score });
    }
    return matches.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)).slice(0, k);
  }

  async clear(): Promise<void> {
    this.#entries.clear();
  }

  #check(vector: Float32Array): void {
    if (vector.length !== this.dimensions || !vector.every(Number.isFinite)) {
      throw new InvalidArgumentError(
        `A vector must have ${this.dimensions} finite numbers; this one has ${vector.length}.`,
      );
    }
  }
}
