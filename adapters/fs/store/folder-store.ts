import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rename, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DisposedError, InvalidArgumentError } from '../../../lib/errors.js';
import { assertKey } from '../../../lib/store/chunk-key.js';
import type { ChunkKv } from '../../../lib/engine/chunk-kv.js';
import type {
  ChunkRecord,
  ChunkStore,
  GetLayersOptions,
  ListOptions,
  RecordInfo,
} from '../../../lib/store/chunk-store.js';
import { chunkOf } from '../../../lib/store/chunk-key.js';
import { StoreMeter } from '../../../lib/store/meter.js';
import { assertRecord, infoOf, layerOf, layersToRead } from '../../../lib/store/record.js';
import type { StoreStats } from '../../../lib/store/store-stats.js';
import { BadRecord } from '../../record/bad-record.js';
import { hitsBytes, hitsOffset } from '../../record/header.js';
import { type ByteSource, RecordReader } from '../../record/read-record.js';
import { RecordWriter } from '../../record/write-record.js';
import { FolderUsage, namesIn, removeFile } from './folder-usage.js';

export interface FolderStoreOptions {
  /** Made when the first record is put, readable by its owner only. */
  readonly directory: string;
  /** Bound in bytes; the least recently used records go first. Default 4 GiB. */
  readonly maxBytes?: number;
}

/**
 * One file a record in one folder, which several processes may share. Files are written beside and renamed,
 * so a reader sees a whole record or none. Every byte is checked when it is read; a damaged record is
 * removed and counted. A full disk or a folder that cannot be written makes `put` resolve to false.
 */
export function folderStore(options: FolderStoreOptions): ChunkStore {
  const { directory, maxBytes = 4 * 2 ** 30 } = options;
  if (typeof directory !== 'string' || directory === '') {
    throw new InvalidArgumentError('folderStore: directory is empty; give the path of a folder.');
  }
  if (!(maxBytes > 0)) {
    throw new InvalidArgumentError(`folderStore: maxBytes is ${maxBytes}; give a positive number.`);
  }
  return new FolderStore(resolve(directory), maxBytes);
}

const recordName = /^([0-9a-f]{64}(?:\.[0-9a-f]{32})?)\.kv$/;
const temporaryName = /^\.tmp-[0-9a-f-]{36}$/;
/** A link is never followed out of the folder. Windows has no such flag. */
const readFlags = constants.O_RDWR | (constants.O_NOFOLLOW ?? 0);

class FolderStore implements ChunkStore {
  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #usage: FolderUsage;
  /** Making room and counting happen one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #meter = new StoreMeter('folder');
  #closed = false;

  constructor(directory: string, maxBytes: number) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
    this.#usage = new FolderUsage({
      directory,
      maxBytes,
      isRecord: (name) => recordName.test(name),
      isTemporary: (name) => temporaryName.test(name),
    });
  }

  async get(key: string, options: { readonly signal?: AbortSignal } = {}) {
    this.#check(key);
    options.signal?.throwIfAborted();
    const start = performance.now();
    const record = await this.#read(key, options.signal);
    if (record) this.#meter.hit(key, record, performance.now() - start);
    else this.#meter.miss(key, 'absent');
    return record;
  }

  async *getLayers(key: string, options: GetLayersOptions = {}): AsyncGenerator<ChunkKv> {
    const record = await this.get(key, options);
    if (!record) return;
    const { from, to } = layersToRead(record.kv.layers, options.layers);
    for (let layer = from; layer < to; layer++) yield layerOf(record.kv, layer);
  }

  async info(key: string): Promise<RecordInfo | undefined> {
    this.#check(key);
    const handle = await open(this.#path(key), readFlags).catch(() => undefined);
    try {
      if (!handle) return undefined;
      const { size, mtimeMs } = await handle.stat();
      const { metadata, hits } = await RecordReader.open(fileSource(handle, size), { key });
      const { record, codec } = metadata;
      const kept = { bytes: size, codec: codec.name, lastUsed: mtimeMs, hits };
      return infoOf(key, record as ChunkRecord, kept);
    } catch {
      return undefined;
    } finally {
      await handle?.close();
    }
  }

  async has(key: string): Promise<boolean> {
    this.#check(key);
    return (await this.#sizeOf(key)) > 0;
  }

  async put(key: string, record: ChunkRecord, options: { readonly signal?: AbortSignal } = {}) {
    this.#check(key);
    assertRecord(record);
    const { signal } = options;
    signal?.throwIfAborted();
    const writer = new RecordWriter(key, record);
    const { bytes } = writer;
    if (bytes > this.#maxBytes) return false;
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      return await this.#inTurn(async () => {
        const added = bytes - (await this.#sizeOf(key));
        const { removed, fits } = await this.#usage.makeRoom(added);
        for (let i = 0; i < removed; i++) this.#meter.evict(key, 0, 'space');
        if (!fits) return false;
        await this.#write(key, writer, signal);
        this.#usage.added(added);
        return true;
      });
    } catch {
      signal?.throwIfAborted();
      return false;
    }
  }

  async delete(key: string): Promise<boolean> {
    this.#check(key);
    return this.#inTurn(() => this.#remove(key));
  }

  async *list({ chunk }: ListOptions = {}): AsyncIterable<string> {
    this.#check(chunk);
    for (const name of await namesIn(this.#directory)) {
      const key = recordName.exec(name)?.[1];
      if (key && (chunk === undefined || chunkOf(key) === chunk)) yield key;
    }
  }

  async stats(): Promise<StoreStats> {
    const { records, bytes } = await this.#inTurn(() => this.#usage.scan());
    return this.#meter.stats({ records, bytes, maxBytes: this.#maxBytes });
  }

  async clear(): Promise<void> {
    for await (const key of this.list()) await this.#inTurn(() => this.#remove(key));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #read(key: string, signal?: AbortSignal): Promise<ChunkRecord | undefined> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(this.#path(key), readFlags);
      const file = await handle.stat();
      if (!file.isFile()) return undefined;
      const reader = await RecordReader.open(fileSource(handle, file.size), { key, signal });
      const record = await reader.readAll();
      await handle.write(hitsBytes(reader.hits + 1), 0, 4, hitsOffset).catch(() => {});
      return record;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof BadRecord) {
        this.#meter.corrupt(key, error.message);
        await this.#inTurn(() => this.#remove(key));
      }
      return undefined;
    } finally {
      await handle?.close().catch(() => {});
    }
  }

  async #write(key: string, writer: RecordWriter, signal?: AbortSignal): Promise<void> {
    const temporary = join(this.#directory, `.tmp-${randomUUID()}`);
    try {
      const handle = await open(temporary, 'wx', 0o600);
      try {
        for (const { at, parts } of writer.pieces()) {
          signal?.throwIfAborted();
          let to = at;
          for (const part of parts) {
            await writeAll(handle, part, to);
            to += part.byteLength;
          }
        }
      } finally {
        await handle.close();
      }
      await rename(temporary, this.#path(key));
    } catch (error) {
      await removeFile(temporary);
      throw error;
    }
  }

  async #remove(key: string): Promise<boolean> {
    const bytes = await this.#sizeOf(key);
    const removed = await removeFile(this.#path(key));
    if (removed) this.#usage.added(-bytes);
    return removed;
  }

  /** 0 where there is no such record. */
  async #sizeOf(key: string): Promise<number> {
    try {
      return (await stat(this.#path(key))).size;
    } catch {
      return 0;
    }
  }

  #path(key: string): string {
    return join(this.#directory, `${key}.kv`);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work);
    this.#turn = next.catch(() => {});
    return next;
  }

  #check(key?: string): void {
    if (this.#closed) throw new DisposedError('folder store');
    if (key !== undefined) assertKey(key);
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    done += (await handle.write(bytes, done, bytes.byteLength - done, at + done)).bytesWritten;
  }
}

function fileSource(handle: FileHandle, length: number): ByteSource {
  return {
    length,
    async read(target, at) {
      let done = 0;
      while (done < target.byteLength) {
        const { bytesRead } = await handle.read(target, done, target.byteLength - done, at + done);
        if (bytesRead === 0) throw new BadRecord('it is cut short');
        done += bytesRead;
      }
    },
  };
}
