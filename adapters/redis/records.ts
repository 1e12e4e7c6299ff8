import { BadRecord } from '../record/bad-record.js';
import { headerBytes } from '../record/header.js';
import { ServerFailure } from '../record/server-failure.js';
import type { OpenValue, RecordServer } from '../record/server-records.js';
import type { Connection, SendOptions } from './connection.js';
import type { Contents } from './contents.js';
import type { Keys } from './keys.js';
import { openValue } from './value-source.js';

export interface OpenOptions extends SendOptions {
  /** Bytes to read at first. Default enough for the preamble of nearly every record. */
  readonly headBytes?: number;
}

const preambleBytes = 2 ** 16;

/** How records are come by in Redis. */
export class RedisRecords implements RecordServer<OpenOptions> {
  readonly #connection: Connection;
  readonly #keys: Keys;
  readonly #contents: Contents;

  constructor(connection: Connection, keys: Keys, contents: Contents) {
    this.#connection = connection;
    this.#keys = keys;
    this.#contents = contents;
  }

  async open(key: string, options: OpenOptions): Promise<OpenValue | undefined> {
    try {
      const value = await openValue(this.#connection, this.#keys.record(key), {
        headBytes: preambleBytes,
        ...options,
      });
      if (!value) {
        this.#contents.gone(key).catch(() => {});
        return undefined;
      }
      // The header holds a checksum over the checksums of everything.
      const identity = Buffer.from(value.head.subarray(0, headerBytes)).toString('latin1');
      return { source: value.source, identity };
    } catch (error) {
      if (!(error instanceof ServerFailure && error.message.startsWith('WRONGTYPE'))) throw error;
      throw new BadRecord('something else stands in its place');
    }
  }

  take(key: string, value: OpenValue | undefined): Promise<number | undefined> {
    const head = value && Buffer.from(value.identity, 'latin1');
    return this.#contents.take(key, head, value?.source.length ?? -1);
  }
}
