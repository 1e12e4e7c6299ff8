import { BadRecord } from '../record/bad-record.js';
import { absent, type Miss } from '../record/miss.js';
import { type ReadRecordOptions, RecordReader } from '../record/read-record.js';
import { ifServed, ServerFailure } from '../record/server-failure.js';
import { isOver } from '../record/store-options.js';
import type { Bucket, CallOptions } from './bucket.js';
import type { Names } from './names.js';
import { ObjectChanged, openObject, type OpenObject } from './object-source.js';

/** A record whose preamble has been checked. */
export interface OpenRecord {
  readonly object: OpenObject;
  readonly reader: RecordReader;
}

/** It was replaced or removed while it was read, so what was read says nothing of what is there now. */
export interface Changed extends Miss {
  readonly isChanged: true;
}

export interface RecordsOptions {
  readonly bucket: Bucket;
  readonly names: Names;
  readonly reading: Pick<ReadRecordOptions, 'signingKey' | 'finite'>;
  readonly ttlMs: number;
  readonly maxRecordBytes: number;
  /** Called once for each damaged record. */
  readonly onCorrupt: (key: string, problem: string) => void;
  /** Called when a record's time was over and it has been removed. */
  readonly onExpire: (key: string, bytes: number) => void;
}

export interface OpenOptions extends CallOptions {
  /** Bytes to read at first. Default enough for the preamble of nearly every record. */
  readonly headBytes?: number;
}

const preambleBytes = 2 ** 16;
/** Damaged records that could not be removed and are remembered. */
const maxRemembered = 1024;

const changed: Changed = {
  reason: 'absent',
  problem: 'it was replaced or removed meanwhile',
  isChanged: true,
};

/** Opens records, and decides what to do about those that cannot be read. */
export class Records {
  readonly #options: RecordsOptions;
  /** Which object it was, by key. */
  readonly #damaged = new Map<string, string>();

  constructor(options: RecordsOptions) {
    this.#options = options;
  }

  /** @throws the signal's reason, and errors that nobody expects */
  async open(key: string, options: OpenOptions = {}): Promise<OpenRecord | Miss | Changed> {
    const { bucket, names, reading, ttlMs, maxRecordBytes, onExpire } = this.#options;
    const { signal } = options;
    let object: OpenObject | undefined;
    try {
      const opened = await openObject(bucket, names.record(key), {
        headBytes: preambleBytes,
        ...options,
        maxBytes: maxRecordBytes,
      });
      if (typeof opened === 'string') return absent;
      object = opened;
      const { length } = object.source;
      if (this.#damaged.get(key) === object.etag) {
        return { reason: 'corrupt', problem: 'it was found damaged before' };
      }
      const reader = await RecordReader.open(object.source, { ...reading, key, signal });
      if (!isOver(reader.metadata.record, ttlMs)) return { object, reader };
      const removed = await ifServed(bucket.remove(names.record(key)).then(() => true));
      if (removed) onExpire(key, length);
      return absent;
    } catch (error) {
      return await this.failed(key, object, error, signal);
    }
  }

  /**
   * What a failure to read a record comes to. One that is damaged is removed; one of another version is left to
   * whoever can read it; and where the server failed, the record may be as good as ever.
   * @throws the signal's reason, and errors that nobody expects
   */
  async failed(
    key: string,
    object: OpenObject | undefined,
    error: unknown,
    signal?: AbortSignal,
  ): Promise<Miss | Changed> {
    signal?.throwIfAborted();
    if (error instanceof ObjectChanged) return changed;
    if (error instanceof BadRecord) {
      const { reason, message: problem } = error;
      if (reason === 'corrupt' && !(await this.#remove(key, object, problem))) return changed;
      return { reason, problem };
    }
    if (error instanceof ServerFailure) return { reason: error.reason, problem: error.message };
    // There is not enough memory for it.
    if (error instanceof RangeError) return { reason: 'failed', problem: String(error) };
    throw error;
  }

  /** False where it is another one by now. */
  async #remove(key: string, object: OpenObject | undefined, problem: string): Promise<boolean> {
    const { bucket, names, onCorrupt } = this.#options;
    const name = names.record(key);
    if (object) {
      // Not every server removes on a condition, so a look comes first.
      const { etag } = object;
      const now = await ifServed(bucket.read(name, { from: 0, to: 1, maxBytes: 1 }));
      if (now === 'absent') return false;
      if (typeof now === 'object' && now.etag !== etag) return false;
    }
    const removed = await ifServed(bucket.remove(name).then(() => true));
    if (!removed) {
      // It stays: told of once.
      const etag = object?.etag ?? '';
      if (this.#damaged.get(key) === etag) return true;
      if (this.#damaged.size === maxRemembered) this.#damaged.clear();
      this.#damaged.set(key, etag);
    }
    onCorrupt(key, problem);
    return true;
  }
}
