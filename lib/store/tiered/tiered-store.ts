import type { ChunkKv } from '../../engine/chunk-kv.js';
import { DisposedError, InvalidArgumentError, StoreError } from '../../errors.js';
import { CostModel } from '../../reuse/cost/cost-model.js';
import { type Access, assertKey } from '../chunk-key.js';
import type {
  ChunkRecord,
  ChunkStore,
  DeleteOptions,
  GetLayersOptions,
  GetOptions,
  Lease,
  LeaseOptions,
  ListOptions,
  LoadWorth,
  RecordInfo,
  RecordUse,
  StoreCallOptions,
  StoreStats,
} from '../chunk-store.js';
import { StoreMeter } from '../meter.js';
import { assertRecord, layersToRead, recordBytes } from '../record.js';
import type { EvictionReason, MissReason } from '../store-stats.js';
import { Flights } from './flights.js';
import { joinLayers, type LayersProgress, noLayers, readLayers } from './layers.js';
import {
  commonAccess,
  type TieredStoreOptions,
  type TierOptions,
  tierSettings,
} from './options.js';
import { Tier, type TierBacklog } from './tier.js';

/** Several stores used as one. */
export interface TieredStore extends ChunkStore {
  /** Fastest first. */
  readonly tiers: readonly ChunkStore[];
  /** What is known of how long loads from each tier take, by the tier's name. */
  readonly costs: CostModel;
  /** The fastest tier that has the record. */
  where(key: string): Promise<string | undefined>;
  /** Tells all tiers. */
  used(key: string, use: RecordUse): Promise<void>;
  /** What waits to reach each tier. */
  backlog(): readonly TierBacklog[];
  /** Waits until everything that is queued or being copied was written, or could not be. */
  flush(): Promise<void>;
  /**
   * Hits, misses and refused puts of the whole, a record that could not be written behind among these;
   * evictions and damaged records of all tiers; records of the tier that has most, bytes and bounds of all
   * tiers added up. Of a tier that does not answer: what it said last.
   */
  stats(): Promise<StoreStats>;
  /**
   * Keys of all tiers.
   * @throws StoreError at the end when a tier could not be asked, so its keys are missing.
   */
  list(options?: ListOptions): AsyncIterable<string>;
  /**
   * Reaches what is queued and being copied as well. From a tier that does not answer the record is deleted
   * once it does; until then it is hidden, and counted in {@link backlog}.
   */
  delete(key: string, options?: DeleteOptions): Promise<boolean>;
  /** @throws StoreError when a tier could not be cleared; the others are. */
  clear(): Promise<void>;
  /**
   * Writes what is queued, then closes the tiers.
   * @throws StoreError when a tier still has records that were to be deleted, or could not be closed.
   */
  close(): Promise<void>;
}

/**
 * Asks stores in turn and copies what a slower one had to those before it, in the background. Several gets of
 * one record at once load it once. A tier that fails, or does not answer within its deadline, is passed over,
 * and after some failures in a row left alone for a while. With {@link GetOptions.worth}, a tier is read only
 * where that is expected to take less time than computing; now and then it is read all the same, to find out.
 * Slower tiers hear now and then of the uses of records that a faster one gave out, so that they do not evict what is
 * popular. Closing closes the tiers.
 *
 * @param tiers fastest first, at least one, for example
 * `[memoryStore(), folderStore({ directory }), { store: remote, deadlineMs: 300, write: 'behind' }]`.
 * @throws InvalidArgumentError for options that make no sense.
 */
export function tieredStore(
  tiers: readonly (ChunkStore | TierOptions)[],
  options: TieredStoreOptions = {},
): TieredStore {
  return new Tiers(tiers, options);
}

/** A record, or why there is none and what it would have been worth. */
interface Search {
  readonly record?: ChunkRecord;
  readonly reason: MissReason;
  readonly worth: LoadWorth | undefined;
}

/** A reading of layers. What was put or deleted meanwhile makes it one of the past. */
interface Reading {
  readonly key: string;
  isCurrent: boolean;
}

class Tiers implements TieredStore {
  readonly tiers: readonly ChunkStore[];
  readonly costs: CostModel;
  readonly access?: Required<Access>;
  readonly lease?: NonNullable<ChunkStore['lease']>;
  readonly #tiers: readonly Tier[];
  readonly #meter: StoreMeter;
  readonly #flights = new Flights<Search>();
  readonly #readings = new Set<Reading>();
  readonly #running = new Set<Promise<unknown>>();
  #clearing = 0;
  #closing: Promise<void> | undefined;

  constructor(tiers: readonly (ChunkStore | TierOptions)[], options: TieredStoreOptions) {
    const { costs = new CostModel(), name = 'tiered', tellUsesMs = 60_000, onEvent } = options;
    if (!(tellUsesMs >= 0)) {
      throw new InvalidArgumentError(
        `tieredStore: tellUsesMs is ${tellUsesMs}; give a number of at least 0.`,
      );
    }
    const settings = tierSettings(tiers);
    this.costs = costs;
    this.#meter = new StoreMeter(name, onEvent);
    this.#tiers = settings.map(
      (tier) =>
        new Tier(tier, { costs, tellUsesMs }, onEvent, ({ key, bytes }) =>
          this.#meter.put(key, bytes, false),
        ),
    );
    this.tiers = settings.map(({ store }) => store);
    const access = commonAccess(settings);
    if (access) this.access = access;
    const shared = this.#tiers.find(({ store }) => store.lease);
    if (shared) this.lease = (key, leasing) => this.#lease(shared, key, leasing);
  }

  backlog(): readonly TierBacklog[] {
    return this.#tiers.map((tier) => tier.backlog);
  }

  async flush(): Promise<void> {
    this.#check();
    await this.#settle();
  }

  async get(key: string, options: GetOptions = {}): Promise<ChunkRecord | undefined> {
    this.#check(key);
    options.signal?.throwIfAborted();
    const start = performance.now();
    const { record, reason } = await this.#find(key, options);
    if (record) this.#meter.hit(key, record, performance.now() - start);
    else this.#meter.miss(key, reason);
    return record;
  }

  async *getLayers(key: string, options: GetLayersOptions = {}): AsyncGenerator<ChunkKv> {
    this.#check(key);
    options.signal?.throwIfAborted();
    if (options.layers) layersToRead(options.layers, options.layers);
    const reading: Reading = { key, isCurrent: true };
    this.#readings.add(reading);
    const progress = noLayers();
    let isOver = false;
    try {
      const reason = yield* readLayers(this.#tiers, key, options, progress);
      isOver = true;
      if (reason) return this.#meter.miss(key, reason);
      void this.#track(() => this.#promoteLayers(reading, progress));
      this.#tiers[progress.depth]?.noteRead(key);
      if (reading.isCurrent) this.#tellSlower(key, progress.depth);
      await this.#count(key, progress);
    } catch (error) {
      isOver = true;
      if (!options.signal?.aborted) this.#meter.miss(key, 'failed');
      throw error;
    } finally {
      // A reader who has enough after some layers used the record as well.
      if (!isOver && progress.layers.length > 0) void this.#count(key, progress);
      this.#readings.delete(reading);
    }
  }

  async used(key: string, use: RecordUse): Promise<void> {
    this.#check(key);
    await this.#track(() => Promise.all(this.#tiers.map((tier) => tier.used(key, use))));
  }

  async info(key: string): Promise<RecordInfo | undefined> {
    this.#check(key);
    for (const tier of this.#tiers) {
      const info = await tier.info(key);
      if (info) return info;
    }
    return undefined;
  }

  async has(key: string): Promise<boolean> {
    this.#check(key);
    for (const tier of this.#tiers) if (await tier.has(key)) return true;
    return false;
  }

  async where(key: string): Promise<string | undefined> {
    this.#check(key);
    for (const tier of this.#tiers) if (await tier.has(key)) return tier.name;
    return undefined;
  }

  /** True when at least one tier kept it, or has it in its queue. */
  async put(key: string, record: ChunkRecord, { signal }: StoreCallOptions = {}): Promise<boolean> {
    this.#check(key);
    assertRecord(record);
    signal?.throwIfAborted();
    this.#outdate(key);
    return this.#track(async () => {
      const puts = this.#tiers.map((tier) => tier.put(key, record, signal));
      const kept = (await Promise.all(puts)).includes(true);
      this.#meter.put(key, recordBytes(record), kept);
      return kept;
    });
  }

  async delete(key: string, options?: DeleteOptions): Promise<boolean> {
    this.#check(key);
    this.#outdate(key);
    return this.#track(async () => {
      const deleted = await Promise.all(
        this.#tiers.map(({ writes }) => writes.delete(key, options)),
      );
      return deleted.includes(true);
    });
  }

  async *list(options: ListOptions = {}): AsyncGenerator<string> {
    this.#check(options.chunk);
    const seen = new Set<string>();
    const problems: string[] = [];
    for (const tier of this.#tiers) {
      const keys = tier.list(options);
      for (;;) {
        const step = await keys.next();
        if (step.done) {
          if (step.value !== undefined) problems.push(step.value);
          break;
        }
        if (seen.has(step.value)) continue;
        seen.add(step.value);
        yield step.value;
      }
    }
    if (problems.length === 0) return;
    throw new StoreError(
      `Not all keys could be listed (${problems.join('; ')}). Try again when the store answers.`,
    );
  }

  async stats(): Promise<StoreStats> {
    this.#check();
    const tiers = await Promise.all(this.#tiers.map((tier) => tier.stats()));
    const sum = (pick: (stats: StoreStats) => number) =>
      tiers.reduce((total, stats) => total + pick(stats), 0);
    return {
      ...this.#meter.stats({
        records: Math.max(...tiers.map(({ records }) => records)),
        bytes: sum(({ bytes }) => bytes),
        maxBytes: sum(({ maxBytes }) => maxBytes),
      }),
      evictions: sum(({ evictions }) => evictions),
      evictionsBy: evictionsBy(tiers),
      corrupt: sum(({ corrupt }) => corrupt),
      tiers,
    };
  }

  async clear(): Promise<void> {
    this.#check();
    await this.#track(async () => {
      this.#clearing++;
      try {
        this.#outdate();
        const outcomes = await Promise.all(this.#tiers.map(({ writes }) => writes.clear()));
        const problems = outcomes.flatMap((outcome, i) =>
          outcome.ok ? [] : [`${this.#tiers[i]?.name}: ${outcome.problem}`],
        );
        if (problems.length === 0) return;
        throw new StoreError(
          `Not everything could be cleared (${problems.join('; ')}). Try again when the store answers.`,
        );
      } finally {
        this.#clearing--;
        // What was read meanwhile may be gone by now.
        this.#outdate();
      }
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#flights.abortAll(new DisposedError('tiered store'));
    await this.#settle();
    const problems = (await Promise.all(this.#tiers.map((tier) => tier.close()))).flat();
    if (problems.length === 0) return;
    throw new StoreError(`The tiered store was closed, but ${problems.join('; ')}.`);
  }

  async #find(key: string, { signal, worth }: GetOptions): Promise<Search> {
    for (;;) {
      let isMine = false;
      const found = await this.#flights.join(
        key,
        (given, isCurrent) => {
          isMine = true;
          return this.#search(key, worth, given, isCurrent);
        },
        signal,
      );
      // Another caller's search may have ended where this one's would go on.
      if (isMine || found.reason !== 'not-worth-it' || !isWorthMore(worth, found.worth)) {
        return found;
      }
    }
  }

  async #search(
    key: string,
    worth: LoadWorth | undefined,
    signal: AbortSignal,
    isCurrent: () => boolean,
  ): Promise<Search> {
    let reason: MissReason = 'absent';
    for (const [depth, tier] of this.#tiers.entries()) {
      const found = await tier.get(key, { signal, ...(worth && { worth }) });
      if ('record' in found) {
        const { record } = found;
        if (isCurrent()) {
          this.#promote(key, record, depth);
          this.#tellSlower(key, depth);
        }
        return { record, reason, worth };
      }
      // The first tier that may have had it says why there is none.
      if (reason === 'absent') reason = found.reason;
    }
    return { reason, worth };
  }

  #promote(key: string, record: ChunkRecord, depth: number): void {
    if (this.#clearing > 0 || this.#closing) return;
    for (const { writes } of this.#tiers.slice(0, depth)) writes.promote(key, record);
  }

  /** Lets the tiers behind the one that had a record know that it is in use; nobody waits for that. */
  #tellSlower(key: string, depth: number): void {
    if (this.#closing) return;
    for (const tier of this.#tiers.slice(depth + 1)) {
      void this.#track(() => tier.usedElsewhere(key));
    }
  }

  /** Counts a reading of layers as a hit. */
  async #count(key: string, { layers, info, waitedMs }: LayersProgress): Promise<void> {
    const bytes = layers.reduce((sum, { data }) => sum + data.byteLength, 0);
    const tokens = layers[0]?.tokens.length ?? 0;
    const recomputeMs = (await info)?.computeMs ?? 0;
    this.#meter.read(key, { bytes, tokens, recomputeMs }, waitedMs);
  }

  /** Copies a record of which all layers were read to faster tiers. */
  async #promoteLayers(reading: Reading, { layers, depth, info }: LayersProgress): Promise<void> {
    if (depth === 0 || !reading.isCurrent) return;
    const copying: Reading = { key: reading.key, isCurrent: true };
    this.#readings.add(copying);
    try {
      const record = await joinLayers(layers, await info);
      if (record && copying.isCurrent) this.#promote(copying.key, record, depth);
    } finally {
      this.#readings.delete(copying);
    }
  }

  async #lease(tier: Tier, key: string, options: LeaseOptions): Promise<Lease | undefined> {
    this.#check(key);
    const outcome = await tier.lease(key, options);
    if (outcome.ok) return outcome.value;
    throw new StoreError(`${tier.name} gives no leases now: ${outcome.problem}.`);
  }

  /** What is being read of a key, or of all, is no longer what the key stands for. */
  #outdate(key?: string): void {
    if (key === undefined) this.#flights.forgetAll();
    else this.#flights.forget(key);
    for (const reading of this.#readings) {
      if (key === undefined || reading.key === key) reading.isCurrent = false;
    }
  }

  /** Runs work that closing waits for. */
  async #track<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    await Promise.all(this.#tiers.map(({ writes }) => writes.idle()));
  }

  #check(key?: string): void {
    if (this.#closing) throw new DisposedError('tiered store');
    if (key !== undefined) assertKey(key);
  }
}

function isWorthMore(mine: LoadWorth | undefined, theirs: LoadWorth | undefined): boolean {
  if (!theirs) return false;
  return !mine || mine.recomputeMs > theirs.recomputeMs;
}

function evictionsBy(tiers: readonly StoreStats[]): StoreStats['evictionsBy'] {
  const by: Partial<Record<EvictionReason, number>> = {};
  for (const { evictionsBy: own } of tiers) {
    for (const [reason, count] of Object.entries(own) as [EvictionReason, number][]) {
      by[reason] = (by[reason] ?? 0) + count;
    }
  }
  return by;
}
