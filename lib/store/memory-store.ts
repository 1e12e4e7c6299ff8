import { LRUCache } from 'lru-cache';
import { DisposedError, InvalidArgumentError } from '../errors.js';
import { assertKey } from './chunk-key.js';
import type { ChunkRecord, ChunkStore, StoreStats } from './chunk-store.js';
import { assertRecord, recordBytes } from './record.js';

export interface MemoryStoreOptions {
  /** Bound in bytes; the least recently used records go first. Default 512 MiB. */
  readonly maxBytes?: number;
}

/** Records in this process's memory, kept by reference: nothing is copied. */
export function memoryStore(options: MemoryStoreOptions = {}): ChunkStore {
  const { maxBytes = 512 * 2 ** 20 } = options;
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1) {
    throw new InvalidArgumentError(
      `memoryStore: maxBytes is ${maxBytes}; give a positive integer.`,
    );
  }
  return new MemoryStore(maxBytes);
}

class MemoryStore implements ChunkStore {
  readonly #records: LRUCache<string, ChunkRecord>;
  readonly #maxBytes: number;
  #hits = 0;
  #misses = 0;
  #evictions = 0;
  #closed = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#records = new LRUCache<string, ChunkRecord>({
      maxSize: maxBytes,
      sizeCalculation: recordBytes,
      dispose: (_record, _key, reason) => {
        if (reason === 'evict') this.#evictions++;
      },
    });
  }

  async get(key: string, options: { readonly signal?: AbortSignal } = {}) {
    this.#check(key);
    options.signal?.throwIfAborted();
    const record = this.#records.get(key);
    if (record) this.#hits++;
    else this.#misses++;
    return record;
  }

  async has(key: string): Promise<boolean> {
    this.#check(key);
    return this.#records.has(key);
  }

  async put(key: string, record: ChunkRecord, options: { readonly signal?: AbortSignal } = {}) {
    this.#check(key);
    assertRecord(record);
    options.signal?.throwIfAborted();
    if (recordBytes(record) > this.#maxBytes) return false;
    this.#records.set(key, record);
    return true;
  }

  async delete(key: string): Promise<boolean> {
    this.#check(key);
    return this.#records.delete(key);
  }

  async *list(): AsyncIterable<string> {
    this.#check();
    // A copy: the caller may delete while listing.
    const keys = [...this.#records.keys()];
    yield* keys;
  }

  async stats(): Promise<StoreStats> {
    return {
      records: this.#records.size,
      bytes: this.#records.calculatedSize,
      maxBytes: this.#maxBytes,
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
      corrupt: 0,
    };
  }

  async clear(): Promise<void> {
    this.#check();
    this.#records.clear();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#records.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #check(key?: string): void {
    if (this.#closed) throw new DisposedError('memory store');
    if (key !== undefined) assertKey(key);
  }
}
