import { BadRecord } from '../record/bad-record.js';
import { headerBytes } from '../record/header.js';
import { absent, type Miss } from '../record/miss.js';
import { type ReadRecordOptions, RecordReader } from '../record/read-record.js';
import { isOver } from '../record/store-options.js';
import type { Connection, SendOptions } from './connection.js';
import type { Contents } from './contents.js';
import type { Keys } from './keys.js';
import { ifServed, ServerFailure } from '../record/server-failure.js';
import { type OpenValue, openValue } from './value-source.js';

/** A record whose preamble has been checked. */
export interface OpenRecord {
  readonly value: OpenValue;
  readonly reader: RecordReader;
}

/** It was replaced or removed while it was read, so what was read says nothing of what is there now. */
export interface Changed extends Miss {
  readonly isChanged: true;
}

export interface RecordsOptions {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly contents: Contents;
  readonly reading: Pick<ReadRecordOptions, 'signingKey' | 'finite'>;
  readonly ttlMs: number;
  readonly maxRecordBytes: number;
  /** Called once for each damaged record, by whoever removes it. */
  readonly onCorrupt: (key: string, problem: string) => void;
  /** Called when a record's time was over and it has been removed. */
  readonly onExpire: (key: string, bytes: number) => void;
}

export interface OpenOptions extends SendOptions {
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
  /** How each began, by key. */
  readonly #damaged = new Map<string, string>();

  constructor(options: RecordsOptions) {
    this.#options = options;
  }

  /** @throws the signal's reason, and errors that nobody expects */
  async open(key: string, options: OpenOptions = {}): Promise<OpenRecord | Miss | Changed> {
    const { connection, keys, contents, reading, ttlMs, maxRecordBytes } = this.#options;
    const { signal } = options;
    let value: OpenValue | undefined;
    try {
      value = await openValue(connection, keys.record(key), {
        headBytes: preambleBytes,
        ...options,
      });
      if (!value) {
        contents.gone(key).catch(() => {});
        return absent;
      }
      const { length } = value.source;
      if (length > maxRecordBytes) {
        throw new BadRecord(`it has ${length} bytes where ${maxRecordBytes} are the most`);
      }
      const reader = await RecordReader.open(value.source, { ...reading, key, signal });
      if (!isOver(reader.metadata.record, ttlMs)) return { value, reader };
      const bytes = await ifServed(contents.take(key, headOf(value), length));
      if (bytes !== undefined) this.#options.onExpire(key, bytes);
      return absent;
    } catch (error) {
      return await this.failed(key, value, error, signal);
    }
  }

  /**
   * What a failure to read a record comes to. One that is damaged is removed; one of another version is left to
   * whoever can read it; and where the server failed, the record may be as good as ever.
   * @throws the signal's reason, and errors that nobody expects
   */
  async failed(
    key: string,
    value: OpenValue | undefined,
    error: unknown,
    signal?: AbortSignal,
  ): Promise<Miss | Changed> {
    signal?.throwIfAborted();
    if (error instanceof BadRecord) {
      const { reason, message: problem } = error;
      if (reason === 'corrupt' && !(await this.#remove(key, value, problem))) return changed;
      return { reason, problem };
    }
    if (error instanceof ServerFailure) {
      if (isWrongType(error)) {
        return this.failed(key, undefined, new BadRecord('something else stands in its place'));
      }
      return { reason: error.reason, problem: error.message };
    }
    // There is not enough memory for it.
    if (error instanceof RangeError) return { reason: 'failed', problem: String(error) };
    throw error;
  }

  /** False where it is another one by now. */
  async #remove(key: string, value: OpenValue | undefined, problem: string): Promise<boolean> {
    const { contents, onCorrupt } = this.#options;
    const head = value && headOf(value);
    try {
      const bytes = await contents.take(key, head, value?.source.length ?? -1);
      if (bytes === undefined) return false;
      onCorrupt(key, problem);
    } catch (error) {
      if (!(error instanceof ServerFailure)) throw error;
      // It stays: told of once.
      const identity = head ? Buffer.from(head).toString('latin1') : '';
      if (this.#damaged.get(key) === identity) return true;
      if (this.#damaged.size === maxRemembered) this.#damaged.clear();
      this.#damaged.set(key, identity);
      onCorrupt(key, problem);
    }
    return true;
  }
}

/** Says which record it is: it holds a checksum over the checksums of everything. */
function headOf({ head }: OpenValue): Uint8Array {
  return head.subarray(0, headerBytes);
}

/** Something else than a record stands under the key. */
function isWrongType({ message }: ServerFailure): boolean {
  return message.startsWith('WRONGTYPE');
}
