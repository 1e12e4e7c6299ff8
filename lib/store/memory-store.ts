import type { ChunkKv } from '../engine/chunk-kv.js';
import { DisposedError, InvalidArgumentError } from '../errors.js';
import { BlockSums, type ByteSum, wordSum } from './block-sums.js';
import { type Access, accessOf, assertKey, chunkOf } from './chunk-key.js';
import type {
  ChunkRecord,
  ChunkStore,
  DeleteOptions,
  GetLayersOptions,
  ListOptions,
  RecordInfo,
  RecordUse,
  StoreCallOptions,
  StoreStats,
} from './chunk-store.js';
import { lruPolicy } from './eviction/lru.js';
import type { EvictionPolicy, EvictionPolicyFactory } from './eviction/policy.js';
import { StoreMeter } from './meter.js';
import { assertRecord, recordBytes, recordInfo, recordLayers } from './record.js';
import type { StoreListener } from './store-stats.js';

export interface MemoryStoreOptions extends Access {
  /** Bound in bytes. Default 512 MiB. */
  readonly maxBytes?: number;
  /** Which records go first when the store is full; default {@link lruPolicy}. */
  readonly eviction?: EvictionPolicyFactory;
  /**
   * Every so many uses of a record, the next 64 KiB of it are compared with the sum that was made of them when it came,
   * which takes some 10 µs. A record that has changed, by a fault of the memory or of a program that writes where it
   * should not, is dropped and a miss (`corrupt`). Default 16; Infinity for never, and no sums.
   */
  readonly checkEvery?: number;
  /** Sums bytes for that; default one in plain TypeScript, which takes some 0.5 ms a MB when a record comes. */
  readonly sum?: ByteSum;
  /** Stands in stats and events; default `memory`. */
  readonly name?: string;
  readonly onEvent?: StoreListener;
}

/** A store in this process's memory, of one tenant and label: who has it can list, clear and evict all it holds. */
export interface MemoryStore extends ChunkStore {
  used(key: string, use: RecordUse): Promise<void>;
  /**
   * Keeps a record from being evicted until the returned function is called; pins add up. A record that is
   * pinned may still be deleted or replaced.
   */
  pin(key: string): () => void;
}

/**
 * Records in this process's memory, kept by reference: nothing is copied, so a record that is in use stays
 * whole even when it is evicted meanwhile.
 */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { maxBytes = 512 * 2 ** 20, eviction = lruPolicy, name = 'memory', onEvent } = options;
  const { checkEvery = 16, sum = wordSum } = options;
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1) {
    throw new InvalidArgumentError(
      `memoryStore: maxBytes is ${maxBytes}; give a positive integer.`,
    );
  }
  if (checkEvery !== Infinity && !(Number.isSafeInteger(checkEvery) && checkEvery > 0)) {
    throw new InvalidArgumentError(
      `memoryStore: checkEvery is ${checkEvery}; give a positive integer, or Infinity.`,
    );
  }
  return new RecordsInMemory(
    { maxBytes, checkEvery, sum, access: accessOf(options) },
    eviction(),
    new StoreMeter(name, onEvent),
  );
}

interface Held {
  readonly record: ChunkRecord;
  readonly bytes: number;
  /** Absent where nothing is checked. */
  readonly sums: BlockSums | undefined;
  lastUsed: number;
  hits: number;
  /** Uses until a part of it is checked. */
  untilCheck: number;
}

interface Settings extends Required<Pick<MemoryStoreOptions, 'maxBytes' | 'checkEvery' | 'sum'>> {
  readonly access: Required<Access>;
}

class RecordsInMemory implements MemoryStore {
  readonly access: Required<Access>;
  readonly #records = new Map<string, Held>();
  readonly #pins = new Map<string, number>();
  readonly #settings: Settings;
  readonly #policy: EvictionPolicy;
  readonly #meter: StoreMeter;
  #bytes = 0;
  #closed = false;

  constructor(settings: Settings, policy: EvictionPolicy, meter: StoreMeter) {
    this.access = settings.access;
    this.#settings = settings;
    this.#policy = policy;
    this.#meter = meter;
  }

  async get(key: string, options: StoreCallOptions = {}) {
    this.#check(key);
    options.signal?.throwIfAborted();
    return this.#use(key);
  }

  async *getLayers(key: string, options: GetLayersOptions = {}): AsyncGenerator<ChunkKv> {
    this.#check(key);
    options.signal?.throwIfAborted();
    const record = this.#use(key);
    if (!record) return;
    for (const kv of recordLayers(record.kv, options.layers)) {
      options.signal?.throwIfAborted();
      yield kv;
    }
  }

  async info(key: string): Promise<RecordInfo | undefined> {
    this.#check(key);
    const held = this.#records.get(key);
    if (!held) return undefined;
    const { record, bytes, lastUsed, hits } = held;
    return recordInfo(key, record, { bytes, lastUsed, hits });
  }

  async has(key: string): Promise<boolean> {
    this.#check(key);
    return this.#records.has(key);
  }

  async put(key: string, record: ChunkRecord, options: StoreCallOptions = {}) {
    this.#check(key);
    assertRecord(record);
    options.signal?.throwIfAborted();
    const bytes = recordBytes(record);
    const kept = this.#makeRoom(key, record, bytes);
    if (kept) {
      this.#drop(key);
      const { checkEvery, sum } = this.#settings;
      this.#records.set(key, {
        record,
        bytes,
        sums: checkEvery === Infinity ? undefined : new BlockSums(record.kv.data, sum),
        lastUsed: record.created,
        hits: 0,
        untilCheck: checkEvery,
      });
      this.#bytes += bytes;
      this.#policy.insert({ key, bytes, computeMs: record.computeMs });
    }
    this.#meter.put(key, bytes, kept);
    return kept;
  }

  async delete(key: string, { evictedFor }: DeleteOptions = {}): Promise<boolean> {
    this.#check(key);
    const bytes = this.#records.get(key)?.bytes ?? 0;
    const found = this.#drop(key);
    if (found) this.#policy.remove(key);
    if (found && evictedFor) this.#meter.evict(key, bytes, evictedFor);
    return found;
  }

  async used(key: string, { unseen = 0, fixOverhead }: RecordUse): Promise<void> {
    this.#check(key);
    const held = this.#records.get(key);
    if (!held) return;
    if (unseen > 0) {
      held.lastUsed = Date.now();
      held.hits += unseen;
      for (let use = 0; use < unseen; use++) this.#policy.touch(key);
    }
    if (fixOverhead !== undefined) this.#policy.touch(key, { fixOverhead, isCounted: true });
  }

  pin(key: string): () => void {
    this.#check(key);
    this.#pins.set(key, (this.#pins.get(key) ?? 0) + 1);
    let pinned = true;
    return () => {
      if (!pinned) return;
      pinned = false;
      const left = (this.#pins.get(key) ?? 1) - 1;
      if (left > 0) this.#pins.set(key, left);
      else this.#pins.delete(key);
    };
  }

  async *list({ chunk, signal }: ListOptions = {}): AsyncIterable<string> {
    this.#check(chunk);
    // A copy: the caller may delete while listing.
    const keys = [...this.#records.keys()];
    for (const key of keys) {
      signal?.throwIfAborted();
      if (chunk === undefined || chunkOf(key) === chunk) yield key;
    }
  }

  async stats(): Promise<StoreStats> {
    return this.#meter.stats({
      records: this.#records.size,
      bytes: this.#bytes,
      maxBytes: this.#settings.maxBytes,
    });
  }

  async clear(): Promise<void> {
    this.#check();
    this.#empty();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#empty();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #use(key: string): ChunkRecord | undefined {
    const start = performance.now();
    const held = this.#records.get(key);
    if (!held) {
      this.#meter.miss(key, 'absent');
      return undefined;
    }
    if (!this.#isSound(held)) {
      this.#drop(key);
      this.#policy.remove(key);
      this.#meter.corrupt(key, 'it has changed in memory');
      this.#meter.miss(key, 'corrupt');
      return undefined;
    }
    held.lastUsed = Date.now();
    held.hits++;
    this.#policy.touch(key);
    this.#meter.hit(key, held.record, performance.now() - start);
    return held.record;
  }

  /** Looks at a part of a record now and then. */
  #isSound(held: Held): boolean {
    held.untilCheck--;
    if (!held.sums || held.untilCheck > 0) return true;
    held.untilCheck = this.#settings.checkEvery;
    return held.sums.check();
  }

  /** Finds out what would have to go, asks whether it is worth it, and only then lets it go. */
  #makeRoom(key: string, record: ChunkRecord, bytes: number): boolean {
    const going = new Set<string>();
    let free = this.#settings.maxBytes - this.#bytes + (this.#records.get(key)?.bytes ?? 0);
    const isKept = (other: string): boolean =>
      other === key || going.has(other) || this.#pins.has(other);
    while (free < bytes) {
      const victim = this.#policy.victim(isKept);
      if (victim === undefined) return false;
      going.add(victim);
      free += this.#records.get(victim)?.bytes ?? 0;
    }
    const { computeMs } = record;
    if (going.size > 0 && this.#policy.admits?.({ key, bytes, computeMs }, [...going]) === false) {
      return false;
    }
    for (const victim of going) {
      this.#meter.evict(victim, this.#records.get(victim)?.bytes ?? 0, 'space');
      this.#drop(victim);
      this.#policy.remove(victim);
    }
    return true;
  }

  #drop(key: string): boolean {
    const held = this.#records.get(key);
    if (!held) return false;
    this.#bytes -= held.bytes;
    return this.#records.delete(key);
  }

  #empty(): void {
    for (const key of this.#records.keys()) this.#policy.remove(key);
    this.#records.clear();
    this.#bytes = 0;
  }

  #check(key?: string): void {
    if (this.#closed) throw new DisposedError('memory store');
    if (key !== undefined) assertKey(key);
  }
}
