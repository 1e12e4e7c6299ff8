import { lstat, unlink } from 'node:fs/promises';
import { DisposedError, StoreError } from '../../../lib/errors.js';
import type { ChunkKv } from '../../../lib/engine/chunk-kv.js';
import { type Access, accessOf, assertKey, chunkOf } from '../../../lib/store/chunk-key.js';
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
} from '../../../lib/store/chunk-store.js';
import { StoreMeter } from '../../../lib/store/meter.js';
import { assertRecord, recordInfo } from '../../../lib/store/record.js';
import type { StoreStats } from '../../../lib/store/store-stats.js';
import { giveLayers } from '../../record/give-layers.js';
import { RecordWriter } from '../../record/write-record.js';
import { compactFolder, type CompactReport } from './compact.js';
import type { Held } from './contents.js';
import type { FolderTaskOptions } from './folder-task.js';
import { openFolder, type OpenFolder } from './open-folder.js';
import { type CheckedOptions, checkOptions, type FolderStoreOptions } from './options.js';
import { PendingFile } from './pending-file.js';
import { closeFile } from './stored-file.js';
import { ifThere, systemCode } from './system-error.js';
import { exportRecords, type Fill, importRecords, type TransferReport } from './transfer.js';
import { UseCounter } from './use-counter.js';
import { verifyRecords, type VerifyReport } from './verify.js';

/** Chunk KV in a folder, and what its operator may do with it. */
export interface FolderStore extends ChunkStore {
  lease(key: string, options: LeaseOptions): Promise<Lease | undefined>;
  used(key: string, use: RecordUse): Promise<void>;
  /** Reads every byte of every record and puts those aside that are damaged. Counts no uses. */
  verify(options?: FolderTaskOptions): Promise<VerifyReport>;
  /**
   * Removes what nobody needs any more: what writers that died left behind, leases whose time is over, records that
   * outlived their time or were put aside more than a week ago, empty folders. Nobody else has to stop for it.
   */
  compact(options?: StoreCallOptions): Promise<CompactReport>;
  /**
   * Copies all records to a folder, which is made if needed, one file each, named by its key. Every byte is checked.
   * @throws StoreError where the folder cannot be written
   */
  exportTo(folder: string, options?: FolderTaskOptions): Promise<TransferReport>;
  /**
   * Copies records from such a folder. They are trusted no more than any file: what is damaged, not signed where this
   * store signs, or holds numbers that are not finite is left out. Their keys say where they may be used.
   * @throws StoreError where the folder cannot be read
   */
  importFrom(folder: string, options?: FolderTaskOptions): Promise<TransferReport>;
}

/**
 * One file a record in one folder, which several processes may share. A file is written beside and renamed, so a
 * reader sees a whole record or none; one that is open is never changed under its reader, whatever is evicted,
 * replaced or cleared away. Every byte is checked when it is read; a damaged record is put aside and counted. A full
 * disk or a folder that cannot be written makes `put` resolve to false.
 *
 * Records of one tenant and label lie in a folder of their own, so a store opened for another cannot see, count or
 * time them. Each such folder has its own bound, which several processes overshoot by no more than what they write
 * within a second.
 *
 * @throws InvalidArgumentError for options that cannot be.
 */
export function folderStore(options: FolderStoreOptions): FolderStore {
  return new RecordsInFolder(checkOptions(options));
}

class RecordsInFolder implements FolderStore {
  readonly access: Required<Access>;
  readonly #options: CheckedOptions;
  readonly #meter: StoreMeter;
  readonly #folder: Promise<OpenFolder>;
  readonly #uses = new UseCounter();
  /** What changes the count of records and bytes happens one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #puts = new Set<Promise<unknown>>();
  #closed = false;

  constructor(options: CheckedOptions) {
    this.access = accessOf(options);
    this.#options = options;
    this.#meter = new StoreMeter(options.name, options.onEvent);
    this.#folder = openFolder(options, this.#meter);
  }

  async get(key: string, { signal }: StoreCallOptions = {}): Promise<ChunkRecord | undefined> {
    this.#check(key, signal);
    const start = performance.now();
    const { records } = await this.#folder;
    const opened = await records.open(key, { whole: true, signal });
    if ('reason' in opened) {
      this.#meter.miss(key, opened.reason);
      return undefined;
    }
    const { file, reader } = opened;
    let record: ChunkRecord;
    try {
      record = await reader.readAll();
    } catch (error) {
      const failed = records.failed(key, file, error, signal).finally(() => closeFile(file));
      this.#meter.miss(key, (await failed).reason);
      return undefined;
    }
    this.#meter.hit(key, record, performance.now() - start);
    this.#uses.note(key, file.handle, reader.hits);
    return record;
  }

  async *getLayers(key: string, options: GetLayersOptions = {}): AsyncGenerator<ChunkKv> {
    const { signal, layers } = options;
    this.#check(key, signal);
    const { records } = await this.#folder;
    yield* giveLayers(key, {
      meter: this.#meter,
      layers,
      open: () => records.open(key, { signal }),
      failed: ({ file }, error) => records.failed(key, file, error, signal),
      used: ({ file, reader }) => this.#uses.note(key, file.handle, reader.hits),
      unused: ({ file }) => closeFile(file),
    });
  }

  async info(key: string): Promise<RecordInfo | undefined> {
    this.#check(key);
    const { records } = await this.#folder;
    await this.#uses.settled();
    const opened = await records.open(key);
    if ('reason' in opened) return undefined;
    const { file, reader } = opened;
    await closeFile(file);
    const { hits, metadata } = reader;
    // It looks at no data.
    return recordInfo(key, metadata.record as ChunkRecord, {
      bytes: file.stats.size,
      codec: metadata.codec.name,
      lastUsed: hits === 0 ? metadata.record.created : file.stats.mtimeMs,
      hits,
    });
  }

  async has(key: string): Promise<boolean> {
    this.#check(key);
    const { places, records } = await this.#folder;
    try {
      if (this.#options.ttlMs < Infinity) {
        const opened = await records.open(key);
        if ('reason' in opened) return false;
        await closeFile(opened.file);
        return true;
      }
      const looked = [lstat(places.fileOf(key)), places.check(places.shardOf(key))] as const;
      return (await Promise.all(looked))[0].isFile();
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return false;
    }
  }

  async put(key: string, record: ChunkRecord, { signal }: StoreCallOptions = {}): Promise<boolean> {
    this.#check(key, signal);
    assertRecord(record);
    const { codec, signingKey } = this.#options;
    const writer = new RecordWriter(key, record, { codec, signingKey });
    const kept = await this.#keep(key, writer.bytes, (creating) =>
      fillFrom(writer, creating, signal),
    );
    this.#meter.put(key, writer.bytes, kept);
    return kept;
  }

  async delete(key: string, { evictedFor }: DeleteOptions = {}): Promise<boolean> {
    this.#check(key);
    const { quarantine } = await this.#folder;
    await quarantine.remove(key);
    const bytes = await this.#inTurn((folder) => removeRecord(folder, key));
    if (bytes !== undefined && evictedFor) this.#meter.evict(key, bytes, evictedFor);
    return bytes !== undefined;
  }

  async *list({ chunk, signal }: ListOptions = {}): AsyncIterable<string> {
    this.#check(chunk, signal);
    const { contents } = await this.#folder;
    const shards = chunk === undefined ? await contents.shards() : [chunk.slice(0, 2)];
    for (const shard of shards ?? []) {
      for (const key of (await contents.keysIn(shard)) ?? []) {
        signal?.throwIfAborted();
        if (chunk === undefined || chunkOf(key) === chunk) yield key;
      }
    }
  }

  async stats(): Promise<StoreStats> {
    const { maxBytes } = this.#options;
    return this.#inTurn(async ({ room, contents }) => {
      if (!this.#closed) await room.look();
      const { records, bytes } = contents;
      return this.#meter.stats({ records, bytes, maxBytes });
    });
  }

  async clear(): Promise<void> {
    const { quarantine } = await this.#folder;
    for await (const key of this.list()) {
      await this.#inTurn((folder) => removeRecord(folder, key));
    }
    await quarantine.remove();
  }

  async lease(key: string, { ttlMs, signal }: LeaseOptions): Promise<Lease | undefined> {
    this.#check(key, signal);
    return (await this.#folder).leases.take(key, ttlMs);
  }

  async used(key: string, { unseen = 0 }: RecordUse): Promise<void> {
    this.#check(key);
    if (unseen < 1) return;
    const { records } = await this.#folder;
    const opened = await records.open(key);
    if (!('reason' in opened)) {
      const { file, reader } = opened;
      this.#uses.note(key, file.handle, reader.hits, unseen);
    }
  }

  async verify(options: FolderTaskOptions = {}): Promise<VerifyReport> {
    const { held, records } = await this.#lookThrough(options.signal);
    return verifyRecords(records, held, options);
  }

  async compact({ signal }: StoreCallOptions = {}): Promise<CompactReport> {
    this.#check(undefined, signal);
    const folder = await this.#folder;
    return compactFolder({ ...folder, expire: this.#options.ttlMs < Infinity, signal });
  }

  async exportTo(folder: string, options: FolderTaskOptions = {}): Promise<TransferReport> {
    const { held, records } = await this.#lookThrough(options.signal);
    return exportRecords(records, held, folder, options);
  }

  async importFrom(folder: string, options: FolderTaskOptions = {}): Promise<TransferReport> {
    this.#check(undefined, options.signal);
    const { signingKey } = this.#options;
    const keep = this.#keep.bind(this);
    return importRecords(folder, signingKey === undefined ? {} : { signingKey }, keep, options);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const { leases } = await this.#folder;
    await Promise.allSettled(this.#puts);
    await this.#turn;
    await this.#uses.settled();
    await leases.releaseAll();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Makes room for a record, has it written beside, and moves it to its place. */
  #keep(key: string, bytes: number, fill: Fill): Promise<boolean> {
    const put = this.#reserve(key, bytes)
      .then((reserved) => reserved && this.#write(key, bytes, fill))
      .catch((error: unknown) => {
        if (systemCode(error) === undefined) throw error;
        return false;
      })
      .finally(() => this.#puts.delete(put));
    this.#puts.add(put);
    return put;
  }

  async #reserve(key: string, bytes: number): Promise<boolean> {
    if (bytes > this.#options.maxBytes) return false;
    // So that the records in use are not taken for old.
    await this.#uses.settled();
    for (;;) {
      const { outcome, released } = await this.#inTurn(async ({ room }) => {
        const outcome = await room.reserve(key, bytes);
        return { outcome, released: outcome === 'later' ? room.released() : undefined };
      });
      if (outcome !== 'later') return outcome;
      await released;
    }
  }

  async #write(key: string, bytes: number, fill: Fill): Promise<boolean> {
    const { places, contents, room } = await this.#folder;
    const durable = this.#options.fsync === 'always';
    const folder = places.shardOf(key);
    const prepare = (attempt: number): Promise<void> =>
      durable || attempt > 0 ? places.make(folder, { durable }) : places.check(folder);
    let reserved = bytes;
    const creating = PendingFile.create(places.fileOf(key), prepare, { durable });
    try {
      await fill(creating);
      const file = await creating;
      await file.finish();
      await this.#inTurn(async () => {
        await file.move();
        contents.set({ key, bytes, usedMs: Date.now() });
        room.release(reserved);
        reserved = 0;
      });
      await file.settled();
      return true;
    } catch (error) {
      const file = await creating;
      await file.discard();
      throw error;
    } finally {
      room.release(reserved);
    }
  }

  async #lookThrough(
    signal: AbortSignal | undefined,
  ): Promise<{ held: readonly Held[]; records: OpenFolder['records'] }> {
    this.#check(undefined, signal);
    return this.#inTurn(async ({ room, contents, records }) => {
      await room.look();
      return { held: contents.all(), records };
    });
  }

  #inTurn<T>(work: (folder: OpenFolder) => Promise<T>): Promise<T> {
    const next = this.#turn.then(async () => work(await this.#folder));
    this.#turn = next.catch(() => {});
    return next;
  }

  #check(key?: string, signal?: AbortSignal): void {
    if (this.#closed) throw new DisposedError('folder store');
    if (key !== undefined) assertKey(key);
    signal?.throwIfAborted();
  }
}

/** Computes each piece while the file is being made, or the one before is being written. */
async function fillFrom(
  writer: RecordWriter,
  creating: Promise<PendingFile>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let writing: Promise<unknown> = creating;
  for (const { at, bytes } of writer.pieces()) {
    await writing;
    signal?.throwIfAborted();
    writing = (await creating).write(bytes, at);
    // It is awaited, but only after the next piece.
    writing.catch(() => {});
  }
  await writing;
}

/**
 * The bytes of what was removed. Whoever deletes a text must know that it is gone, so this may fail.
 * @throws StoreError
 */
async function removeRecord(
  { places, contents }: OpenFolder,
  key: string,
): Promise<number | undefined> {
  const path = places.fileOf(key);
  try {
    await places.check(places.shardOf(key));
    const stats = await ifThere(lstat(path));
    const removed = stats && (await ifThere(unlink(path).then(() => true)));
    contents.forget(key);
    return removed ? stats.size : undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    // Something else stands where the store's folder would be, so it holds nothing.
    if (code === 'ENOTDIR') return undefined;
    throw new StoreError(`The record ${path} cannot be removed: ${String(error)}`, {
      cause: error,
    });
  }
}
