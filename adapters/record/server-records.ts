import { BadRecord } from './bad-record.js';
import type { ByteSource } from './byte-source.js';
import { absent, type Miss } from './miss.js';
import { type ReadRecordOptions, RecordReader } from './read-record.js';
import { ifServed, ServerFailure } from './server-failure.js';
import { isOver } from './store-options.js';

/** What a server has under a record's name, of which the beginning has been read. */
export interface OpenValue {
  readonly source: ByteSource;
  /** Says which one it was: another one under the same name has another. */
  readonly identity: string;
}

/** A record whose preamble has been checked. */
export interface OpenRecord {
  readonly value: OpenValue;
  readonly reader: RecordReader;
}

/** It was replaced or removed while it was read, so what was read says nothing of what is there now. */
export interface Changed extends Miss {
  readonly isChanged: true;
}

const changed: Changed = {
  reason: 'absent',
  problem: 'it was replaced or removed meanwhile',
  isChanged: true,
};

/** The value was replaced or removed while it was read. */
export class ValueChanged extends Error {}

/** How records are come by on a server. All calls may fail with {@link ServerFailure}. */
export interface RecordServer<O> {
  /** Undefined where there is none. @throws BadRecord where it cannot be a record, ValueChanged */
  open(key: string, options: O): Promise<OpenValue | undefined>;
  /**
   * Removes a record, or whatever stands in its place where `value` is left out. Gives its bytes; undefined where
   * another one stands there by now.
   */
  take(key: string, value: OpenValue | undefined): Promise<number | undefined>;
}

export interface ServerRecordsOptions {
  readonly reading: Pick<ReadRecordOptions, 'signingKey' | 'finite'>;
  readonly ttlMs: number;
  readonly maxRecordBytes: number;
  /** Called once for each damaged record, by whoever removes it. */
  readonly onCorrupt: (key: string, problem: string) => void;
  /** Called when a record's time was over and it has been removed. */
  readonly onExpire: (key: string, bytes: number) => void;
}

/** Damaged records that could not be removed and are remembered. */
const maxRemembered = 1024;

/** Opens records of a server, and decides what to do about those that cannot be read. */
export class ServerRecords<O extends { readonly signal?: AbortSignal | undefined }> {
  readonly #server: RecordServer<O>;
  readonly #options: ServerRecordsOptions;
  /** Which ones they were, by key. */
  readonly #damaged = new Map<string, string>();

  constructor(server: RecordServer<O>, options: ServerRecordsOptions) {
    this.#server = server;
    this.#options = options;
  }

  /** @throws the signal's reason, and errors that nobody expects */
  async open(key: string, options: O): Promise<OpenRecord | Miss | Changed> {
    const { reading, ttlMs, maxRecordBytes, onExpire } = this.#options;
    const { signal } = options;
    let value: OpenValue | undefined;
    try {
      value = await this.#server.open(key, options);
      if (!value) return absent;
      const { length } = value.source;
      if (length > maxRecordBytes) {
        throw new BadRecord(`it has ${length} bytes where ${maxRecordBytes} are the most`);
      }
      const reader = await RecordReader.open(value.source, { ...reading, key, signal });
      if (!isOver(reader.metadata.record, ttlMs)) return { value, reader };
      const bytes = await ifServed(this.#server.take(key, value));
      if (bytes !== undefined) onExpire(key, bytes);
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
    if (error instanceof ValueChanged) return changed;
    if (error instanceof BadRecord) {
      const { reason, message: problem } = error;
      if (reason === 'corrupt' && !(await this.#remove(key, value, problem))) return changed;
      return { reason, problem };
    }
    if (error instanceof ServerFailure) return { reason: error.reason, problem: error.message };
    // There is not enough memory for it.
    if (error instanceof RangeError) return { reason: 'failed', problem: String(error) };
    throw error;
  }

  /** False where it is another one by now. */
  async #remove(key: string, value: OpenValue | undefined, problem: string): Promise<boolean> {
    const { onCorrupt } = this.#options;
    try {
      if ((await this.#server.take(key, value)) === undefined) return false;
      onCorrupt(key, problem);
    } catch (error) {
      if (!(error instanceof ServerFailure)) throw error;
      // It stays: told of once.
      const identity = value?.identity ?? '';
      if (this.#damaged.get(key) === identity) return true;
      if (this.#damaged.size === maxRemembered) this.#damaged.clear();
      this.#damaged.set(key, identity);
      onCorrupt(key, problem);
    }
    return true;
  }
}
