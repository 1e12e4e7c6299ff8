import { DisposedError, InvalidArgumentError } from '../errors.js';
import { assertKey } from './chunk-key.js';
import type { ChunkKv } from '../engine/chunk-kv.js';
import type {
  ChunkRecord,
  ChunkStore,
  GetLayersOptions,
  ListOptions,
  RecordInfo,
  StoreStats,
} from './chunk-store.js';
import { StoreMeter } from './meter.js';
import { assertRecord, layerOf, layersToRead } from './record.js';

/** Several stores used as one. */
export interface TieredStore extends ChunkStore {
  /** Fastest first. */
  readonly tiers: readonly ChunkStore[];
  /**
   * Hits and misses of the whole; evictions and damaged records of all tiers; records of the tier that has
   * most, bytes and bounds of all tiers added up.
   */
  stats(): Promise<StoreStats>;
}

/**
 * Reads the first tier that has a record and copies it to those before it; writes to all. A tier that fails
 * is passed over. Closing closes the tiers.
 *
 * @param tiers fastest first, at least one, for example `[memoryStore(), folderStore({ directory })]`.
 */
export function tieredStore(tiers: readonly ChunkStore[]): TieredStore {
  if (tiers.length === 0) throw new InvalidArgumentError('tieredStore: give at least one store.');
  return new Tiers([...tiers]);
}

class Tiers implements TieredStore {
  readonly tiers: readonly ChunkStore[];
  readonly #promotions = new Set<Promise<unknown>>();
  readonly #meter = new StoreMeter('tiered');
  #closed = false;

  constructor(tiers: readonly ChunkStore[]) {
    this.tiers = tiers;
  }

  async get(key: string, options: { readonly signal?: AbortSignal } = {}) {
    this.#check(key);
    options.signal?.throwIfAborted();
    const start = performance.now();
    for (const [depth, tier] of this.tiers.entries()) {
      const record = await orElse(tier.get(key, options), undefined);
      options.signal?.throwIfAborted();
      if (!record) continue;
      this.#meter.hit(key, record, performance.now() - start);
      if (depth > 0) this.#promote(key, record, depth);
      return record;
    }
    this.#meter.miss(key, 'absent');
    return undefined;
  }

  async *getLayers(key: string, options: GetLayersOptions = {}): AsyncGenerator<ChunkKv> {
    const record = await this.get(key, options);
    if (!record) return;
    const { from, to } = layersToRead(record.kv.layers, options.layers);
    for (let layer = from; layer < to; layer++) yield layerOf(record.kv, layer);
  }

  async info(key: string): Promise<RecordInfo | undefined> {
    this.#check(key);
    for (const tier of this.tiers) {
      const info = await orElse(tier.info(key), undefined);
      if (info) return info;
    }
    return undefined;
  }

  async has(key: string): Promise<boolean> {
    this.#check(key);
    for (const tier of this.tiers) {
      if (await orElse(tier.has(key), false)) return true;
    }
    return false;
  }

  /** True when at least one tier kept it. */
  async put(key: string, record: ChunkRecord, options: { readonly signal?: AbortSignal } = {}) {
    this.#check(key);
    assertRecord(record);
    options.signal?.throwIfAborted();
    const kept = await Promise.all(
      this.tiers.map((tier) => orElse(tier.put(key, record, options), false)),
    );
    return kept.includes(true);
  }

  async delete(key: string): Promise<boolean> {
    this.#check(key);
    // A promotion that is under way would bring the record back.
    await this.#settle();
    const deleted = await Promise.all(this.tiers.map((tier) => orElse(tier.delete(key), false)));
    return deleted.includes(true);
  }

  async *list(options: ListOptions = {}): AsyncIterable<string> {
    this.#check(options.chunk);
    const seen = new Set<string>();
    for (const tier of this.tiers) {
      for await (const key of tier.list(options)) {
        if (seen.has(key)) continue;
        seen.add(key);
        yield key;
      }
    }
  }

  async stats(): Promise<StoreStats> {
    const tiers = await Promise.all(this.tiers.map((tier) => tier.stats()));
    const sum = (pick: (stats: StoreStats) => number) =>
      tiers.reduce((total, stats) => total + pick(stats), 0);
    return {
      ...this.#meter.stats({
        records: Math.max(...tiers.map(({ records }) => records)),
        bytes: sum(({ bytes }) => bytes),
        maxBytes: sum(({ maxBytes }) => maxBytes),
      }),
      evictions: sum(({ evictions }) => evictions),
      corrupt: sum(({ corrupt }) => corrupt),
      tiers,
    };
  }

  async clear(): Promise<void> {
    this.#check();
    await this.#settle();
    await Promise.all(this.tiers.map((tier) => tier.clear()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#settle();
    await Promise.all(this.tiers.map((tier) => tier.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #promote(key: string, record: ChunkRecord, depth: number): void {
    const puts = this.tiers.slice(0, depth).map((tier) => orElse(tier.put(key, record), false));
    const promotion = Promise.all(puts).finally(() => this.#promotions.delete(promotion));
    this.#promotions.add(promotion);
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#promotions);
  }

  #check(key?: string): void {
    if (this.#closed) throw new DisposedError('tiered store');
    if (key !== undefined) assertKey(key);
  }
}

async function orElse<T>(work: Promise<T>, fallback: T): Promise<T> {
  try {
    return await work;
  } catch {
    return fallback;
  }
}
