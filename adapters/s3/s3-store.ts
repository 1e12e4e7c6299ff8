import type { ChunkKv } from '../../lib/engine/chunk-kv.js';
import { DisposedError } from '../../lib/errors.js';
import { type Access, accessName, accessOf, assertKey } from '../../lib/store/chunk-key.js';
import type {
  ChunkRecord,
  ChunkStore,
  DeleteOptions,
  GetLayersOptions,
  Lease,
  LeaseOptions,
  ListOptions,
  RecordInfo,
  StoreCallOptions,
} from '../../lib/store/chunk-store.js';
import { inParallel } from '../../lib/store/in-parallel.js';
import { StoreMeter } from '../../lib/store/meter.js';
import { assertRecord, recordInfo } from '../../lib/store/record.js';
import type { StoreStats } from '../../lib/store/store-stats.js';
import { giveLayers } from '../record/give-layers.js';
import type { Miss } from '../record/miss.js';
import { ifServed, orStoreError } from '../record/server-failure.js';
import { type OpenRecord, ServerRecords } from '../record/server-records.js';
import { RecordWriter } from '../record/write-record.js';
import { Bucket, type CallOptions } from './bucket.js';
import { Leases } from './leases.js';
import { Names } from './names.js';
import { type CheckedOptions, checkOptions, type S3StoreOptions } from './options.js';
import { BucketRecords, type OpenOptions } from './records.js';
import { Uses } from './uses.js';

/** Chunk KV in a bucket. */
export interface S3Store extends ChunkStore {
  lease(key: string, options: LeaseOptions): Promise<Lease | undefined>;
}

/**
 * One object a record in an S3-compatible bucket, which any number of machines may share. An object is put as a whole,
 * so a reader sees all of it or nothing, and one that is replaced while it is read is read again. Every byte is
 * checked; a damaged record is removed and counted.
 *
 * A bucket has no bound of its own: set lifecycle rules. {@link ChunkStore.stats} and {@link ChunkStore.list} list it,
 * a request for each 1,000 records.
 *
 * A server that is slow or dead is a miss, and makes `put` resolve to false. Needs the package `@aws-sdk/client-s3`,
 * which the first call loads: `MissingPackageError` where it is not installed.
 *
 * @throws InvalidArgumentError for options that cannot be.
 */
export function s3Store(options: S3StoreOptions): S3Store {
  return new RecordsInBucket(checkOptions(options));
}

/** A record that is not larger is read by one call, the rest of others in pieces that are checked meanwhile. */
const wholeHeadBytes = 2 ** 23;
/** Times that a record is read which others keep replacing meanwhile. */
const readAttempts = 3;
/** Objects that are removed at once. */
const parallel = 8;

interface Parts {
  readonly names: Names;
  readonly records: ServerRecords<OpenOptions>;
  readonly leases: Leases;
}

class RecordsInBucket implements S3Store {
  readonly access: Required<Access>;
  readonly #options: CheckedOptions;
  readonly #meter: StoreMeter;
  readonly #bucket: Bucket;
  readonly #parts: Promise<Parts>;
  readonly #uses = new Uses();
  readonly #puts = new Set<Promise<unknown>>();
  /** Records and bytes as they were found last. */
  #size = { records: 0, bytes: 0 };
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(options: CheckedOptions) {
    this.access = accessOf(options);
    this.#options = options;
    this.#meter = new StoreMeter(options.name, options.onEvent);
    this.#bucket = new Bucket({ ...options, client: options.client });
    this.#parts = this.#open();
  }

  async get(key: string, { signal }: StoreCallOptions = {}): Promise<ChunkRecord | undefined> {
    this.#check(key, signal);
    const start = performance.now();
    for (let attempt = 1; ; attempt++) {
      const read = await this.#read(key, { signal });
      if ('kv' in read) {
        this.#meter.hit(key, read, performance.now() - start);
        this.#uses.note(key);
        return read;
      }
      if ('isChanged' in read && attempt < readAttempts) continue;
      this.#meter.miss(key, read.reason);
      return undefined;
    }
  }

  async *getLayers(
    key: string,
    { signal, layers }: GetLayersOptions = {},
  ): AsyncGenerator<ChunkKv> {
    this.#check(key, signal);
    const { records } = await this.#parts;
    yield* giveLayers<OpenRecord>(key, {
      meter: this.#meter,
      layers,
      open: () => records.open(key, { signal }),
      failed: ({ value }, error) => records.failed(key, value, error, signal),
      used: () => this.#uses.note(key),
    });
  }

  async info(key: string): Promise<RecordInfo | undefined> {
    this.#check(key);
    const { records } = await this.#parts;
    const opened = await records.open(key, {});
    if ('reason' in opened) return undefined;
    const { value, reader } = opened;
    const { metadata } = reader;
    const { hits, lastUsed } = this.#uses.of(key) ?? {
      hits: 0,
      lastUsed: metadata.record.created,
    };
    // It looks at no data.
    return recordInfo(key, metadata.record as ChunkRecord, {
      bytes: value.source.length,
      codec: metadata.codec.name,
      lastUsed,
      hits,
    });
  }

  async has(key: string): Promise<boolean> {
    this.#check(key);
    const { names, records } = await this.#parts;
    if (this.#options.ttlMs < Infinity) return !('reason' in (await records.open(key, {})));
    return typeof (await ifServed(this.#bucket.size(names.record(key)))) === 'number';
  }

  async put(key: string, record: ChunkRecord, { signal }: StoreCallOptions = {}): Promise<boolean> {
    this.#check(key, signal);
    assertRecord(record);
    const { codec, signingKey } = this.#options;
    const writer = new RecordWriter(key, record, { codec, signingKey });
    const writing = this.#write(key, record, writer, signal);
    const tracked = writing.finally(() => this.#puts.delete(tracked));
    this.#puts.add(tracked);
    const kept = await tracked;
    this.#meter.put(key, writer.bytes, kept);
    return kept;
  }

  async delete(key: string, { evictedFor }: DeleteOptions = {}): Promise<boolean> {
    this.#check(key);
    const { names } = await this.#parts;
    const name = names.record(key);
    const bytes = await orStoreError(`The record ${key} cannot be removed`, this.#remove(name));
    this.#uses.forget(key);
    if (bytes !== undefined && evictedFor) this.#meter.evict(key, bytes, evictedFor);
    return bytes !== undefined;
  }

  async *list({ chunk, signal }: ListOptions = {}): AsyncGenerator<string> {
    this.#check(chunk, signal);
    const { names } = await this.#parts;
    const begin = chunk === undefined ? names.home : names.chunk(chunk);
    const pages = this.#bucket.list(begin, { signal });
    for (;;) {
      const { value, done } = await orStoreError('Keys cannot be listed', pages.next());
      if (done) return;
      signal?.throwIfAborted();
      for (const { name } of value) {
        const key = names.keyOf(name);
        if (key !== undefined) yield key;
      }
    }
  }

  async stats(): Promise<StoreStats> {
    const { maxBytes } = this.#options;
    // Where the server does not answer, what is counted here is wanted all the more.
    const size = this.#closed ? undefined : await ifServed(this.#count());
    if (size) this.#size = size;
    return this.#meter.stats({ ...this.#size, maxBytes });
  }

  async clear(): Promise<void> {
    this.#check();
    const { names } = await this.#parts;
    await orStoreError('Records cannot be removed', this.#removeAll(names));
  }

  async lease(key: string, { ttlMs, signal }: LeaseOptions): Promise<Lease | undefined> {
    this.#check(key, signal);
    const { leases } = await this.#parts;
    return leases.take(key, ttlMs, { signal });
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(): Promise<Parts> {
    const { prefix, signingKey, finite, ttlMs, maxRecordBytes } = this.#options;
    const names = new Names(prefix, await accessName(this.#options));
    const records = new ServerRecords(new BucketRecords(this.#bucket, names), {
      reading: { signingKey, finite },
      ttlMs,
      maxRecordBytes,
      onCorrupt: (key, problem) => this.#meter.corrupt(key, problem),
      onExpire: (key, bytes) => this.#meter.evict(key, bytes, 'expired'),
    });
    return { names, records, leases: new Leases(this.#bucket, names) };
  }

  async #close(): Promise<void> {
    const { leases } = await this.#parts;
    await Promise.allSettled(this.#puts);
    await leases.releaseAll();
    await this.#bucket.close();
  }

  async #read(key: string, options: CallOptions): Promise<ChunkRecord | Miss> {
    const { records } = await this.#parts;
    const opened = await records.open(key, { ...options, headBytes: wholeHeadBytes });
    if ('reason' in opened) return opened;
    const { value, reader } = opened;
    try {
      return await reader.readAll();
    } catch (error) {
      return await records.failed(key, value, error, options.signal);
    }
  }

  async #write(
    key: string,
    { created }: ChunkRecord,
    writer: RecordWriter,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { ttlMs, maxRecordBytes } = this.#options;
    if (writer.bytes > maxRecordBytes || created + ttlMs <= Date.now()) return false;
    const bytes = await writer.toBytes();
    signal?.throwIfAborted();
    const { names } = await this.#parts;
    const written = await ifServed(this.#bucket.write(names.record(key), bytes, { signal }));
    if (typeof written !== 'object') return false;
    this.#uses.forget(key);
    return true;
  }

  /** Its bytes, where there was one. */
  async #remove(name: string): Promise<number | undefined> {
    const bytes = await this.#bucket.size(name);
    // Whatever was said of it: it must be gone afterwards.
    await this.#bucket.remove(name);
    return typeof bytes === 'number' ? bytes : undefined;
  }

  async #removeAll(names: Names): Promise<void> {
    for await (const page of this.#bucket.list(names.home)) {
      const found = page.filter(({ name }) => names.keyOf(name) !== undefined);
      await inParallel(parallel, found, async ({ name }) => {
        await this.#bucket.remove(name);
      });
    }
  }

  async #count(): Promise<{ records: number; bytes: number }> {
    const { names } = await this.#parts;
    const size = { records: 0, bytes: 0 };
    for await (const page of this.#bucket.list(names.home)) {
      for (const { name, bytes } of page) {
        if (names.keyOf(name) === undefined) continue;
        size.records++;
        size.bytes += bytes;
      }
    }
    return size;
  }

  #check(key?: string, signal?: AbortSignal): void {
    if (this.#closed) throw new DisposedError('S3 store');
    if (key !== undefined) assertKey(key);
    signal?.throwIfAborted();
  }
}
