import { randomUUID } from 'node:crypto';
import type { ChunkKv } from '../../lib/engine/chunk-kv.js';
import { DisposedError } from '../../lib/errors.js';
import { type Access, accessOf, assertKey } from '../../lib/store/chunk-key.js';
import type {
  ChunkRecord,
  ChunkStore,
  DeleteOptions,
  GetLayersOptions,
  Lease,
  LeaseOptions,
  ListOptions,
  RecordInfo,
  RecordUse,
  StoreCallOptions,
} from '../../lib/store/chunk-store.js';
import { StoreMeter } from '../../lib/store/meter.js';
import { assertRecord, recordInfo } from '../../lib/store/record.js';
import type { StoreStats } from '../../lib/store/store-stats.js';
import { giveLayers } from '../record/give-layers.js';
import type { Miss } from '../record/miss.js';
import { RecordWriter } from '../record/write-record.js';
import { asBuffer } from './as-buffer.js';
import { Connection, type SendOptions } from './connection.js';
import type { CommitResult } from './contents.js';
import { openServer, type OpenServer } from './open-server.js';
import { type CheckedOptions, checkOptions, type RedisStoreOptions } from './options.js';
import { ifServed, orStoreError, ServerFailure } from '../record/server-failure.js';
import type { OpenRecord } from '../record/server-records.js';

/** Chunk KV in Redis or Valkey. */
export interface RedisStore extends ChunkStore {
  lease(key: string, options: LeaseOptions): Promise<Lease | undefined>;
  used(key: string, use: RecordUse): Promise<void>;
}

/**
 * One value a record in Redis or Valkey, which many processes and machines may share. A record is written beside and
 * renamed, so a reader sees a whole record or none. Every byte is checked when it is read; a damaged record is removed
 * and counted. The bound of a tenant and label holds among all who write, up to what is being written at the moment.
 *
 * A server that is slow, full or dead is a miss, and makes `put` resolve to false; it is connected to anew in the
 * background. Needs the package `redis`, which the first call loads: `MissingPackageError` where it is not installed.
 *
 * @throws InvalidArgumentError for options that cannot be.
 */
export function redisStore(options: RedisStoreOptions = {}): RedisStore {
  return new RecordsInRedis(checkOptions(options));
}

/** A record that is not larger is read by one command, the rest of others in pieces that are checked meanwhile. */
const wholeHeadBytes = 2 ** 21;
/** Times that a record is read which others keep replacing meanwhile. */
const readAttempts = 3;
/** Milliseconds after which the server removes what a writer that died left behind. */
const writingMs = 60_000;

class RecordsInRedis implements RedisStore {
  readonly access: Required<Access>;
  readonly #options: CheckedOptions;
  readonly #meter: StoreMeter;
  readonly #connection: Connection;
  readonly #server: Promise<OpenServer>;
  readonly #puts = new Set<Promise<unknown>>();
  /** Uses that are being counted, after the record was given out. */
  readonly #uses = new Set<Promise<unknown>>();
  /** Records and bytes as they were found last. */
  #size = { records: 0, bytes: 0 };
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(options: CheckedOptions) {
    this.access = accessOf(options);
    this.#options = options;
    this.#meter = new StoreMeter(options.name, options.onEvent);
    this.#connection = new Connection({ ...options, client: options.client });
    this.#server = openServer(this.#connection, options, this.#meter);
  }

  async get(key: string, { signal }: StoreCallOptions = {}): Promise<ChunkRecord | undefined> {
    this.#check(key, signal);
    const start = performance.now();
    const lateAt = this.#connection.lateAt();
    for (let attempt = 1; ; attempt++) {
      const read = await this.#read(key, { signal, lateAt });
      if ('kv' in read) {
        this.#meter.hit(key, read, performance.now() - start);
        this.#touch(key);
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
    const { records } = await this.#server;
    yield* giveLayers<OpenRecord>(key, {
      meter: this.#meter,
      layers,
      open: () => records.open(key, { signal }),
      failed: ({ value }, error) => records.failed(key, value, error, signal),
      used: () => this.#touch(key),
    });
  }

  async info(key: string): Promise<RecordInfo | undefined> {
    this.#check(key);
    const { records, contents } = await this.#server;
    await Promise.allSettled(this.#uses);
    const [opened, use] = await Promise.all([records.open(key, {}), ifServed(contents.useOf(key))]);
    if ('reason' in opened) return undefined;
    const { value, reader } = opened;
    const { metadata } = reader;
    const { hits, lastUsed } = use ?? { hits: 0, lastUsed: 0 };
    // It looks at no data.
    return recordInfo(key, metadata.record as ChunkRecord, {
      bytes: value.source.length,
      codec: metadata.codec.name,
      lastUsed: hits === 0 ? metadata.record.created : lastUsed,
      hits,
    });
  }

  async has(key: string): Promise<boolean> {
    this.#check(key);
    const { keys, records } = await this.#server;
    if (this.#options.ttlMs < Infinity) return !('reason' in (await records.open(key, {})));
    const found = await ifServed(this.#connection.send(['EXISTS', keys.record(key)]));
    return Number(found) === 1;
  }

  async put(key: string, record: ChunkRecord, { signal }: StoreCallOptions = {}): Promise<boolean> {
    this.#check(key, signal);
    assertRecord(record);
    const { codec, signingKey } = this.#options;
    const writer = new RecordWriter(key, record, { codec, signingKey });
    const kept = await track(this.#puts, this.#write(key, record, writer, signal));
    this.#meter.put(key, writer.bytes, kept);
    return kept;
  }

  async delete(key: string, { evictedFor }: DeleteOptions = {}): Promise<boolean> {
    this.#check(key);
    const { contents } = await this.#server;
    const bytes = await orStoreError(`The record ${key} cannot be removed`, contents.remove(key));
    if (bytes !== undefined && evictedFor) this.#meter.evict(key, bytes, evictedFor);
    return bytes !== undefined;
  }

  async *list({ chunk, signal }: ListOptions = {}): AsyncGenerator<string> {
    this.#check(chunk, signal);
    const { contents } = await this.#server;
    const keys = contents.list(chunk, signal);
    for (;;) {
      const { value, done } = await orStoreError('Keys cannot be listed', keys.next());
      if (done) return;
      signal?.throwIfAborted();
      yield value;
    }
  }

  async stats(): Promise<StoreStats> {
    const { maxBytes } = this.#options;
    const { contents } = await this.#server;
    // Where the server does not answer, what is counted here is wanted all the more.
    const size = this.#closed ? undefined : await ifServed(contents.size());
    if (size) this.#size = size;
    return this.#meter.stats({ ...this.#size, maxBytes });
  }

  async clear(): Promise<void> {
    this.#check();
    const { contents } = await this.#server;
    await orStoreError('Records cannot be removed', contents.clear());
  }

  async lease(key: string, { ttlMs, signal }: LeaseOptions): Promise<Lease | undefined> {
    this.#check(key, signal);
    const { leases } = await this.#server;
    return leases.take(key, ttlMs, { signal });
  }

  async used(key: string, { unseen = 0 }: RecordUse): Promise<void> {
    this.#check(key);
    if (unseen >= 1) this.#touch(key, Math.floor(unseen));
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { contents, leases } = await this.#server;
    await Promise.allSettled([...this.#puts, ...this.#uses]);
    await leases.releaseAll();
    await contents.settled();
    await this.#connection.close();
  }

  async #read(key: string, options: SendOptions): Promise<ChunkRecord | Miss> {
    const { records } = await this.#server;
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
    const { ttlMs, maxBytes, maxRecordBytes } = this.#options;
    const { bytes } = writer;
    const lifeMs = ttlMs === Infinity ? 0 : Math.ceil(created + ttlMs - Date.now());
    if (bytes > Math.min(maxBytes, maxRecordBytes)) return false;
    if (ttlMs < Infinity && lifeMs <= 0) return false;
    const value = await writer.toBytes();
    signal?.throwIfAborted();
    const { keys, contents } = await this.#server;
    const written = keys.writing(randomUUID());
    const send = { signal, lateAt: this.#connection.lateAt() };
    try {
      // Both at once: they come to the server in this order.
      const [, result] = await Promise.all([
        this.#connection.send(['SET', written, asBuffer(value), 'PX', String(writingMs)], send),
        contents.commit(key, written, { bytes, maxBytes, lifeMs, ...send }),
      ]);
      this.#tellGone(result);
      return result.kept;
    } catch (error) {
      if (!(error instanceof ServerFailure)) throw error;
      return false;
    }
  }

  #tellGone({ evicted, expired }: CommitResult): void {
    for (const { key, bytes } of expired) this.#meter.evict(key, bytes, 'expired');
    for (const { key, bytes } of evicted) this.#meter.evict(key, bytes, 'space');
  }

  /** Counts uses, after the record was given out. */
  #touch(key: string, uses = 1): void {
    const touching = this.#server.then(({ contents }) => ifServed(contents.touch(key, uses)));
    track(this.#uses, touching).catch(() => {});
  }

  #check(key?: string, signal?: AbortSignal): void {
    if (this.#closed) throw new DisposedError('Redis store');
    if (key !== undefined) assertKey(key);
    signal?.throwIfAborted();
  }
}

function track<T>(works: Set<Promise<unknown>>, work: Promise<T>): Promise<T> {
  const tracked = work.finally(() => works.delete(tracked));
  works.add(tracked);
  return tracked;
}
