import {
  type Checked,
  checkRecordStoreOptions,
  recordStoreDefaults,
  type RecordStoreOptions,
  refuseOption,
} from '../record/store-options.js';
import type { RedisClientLike } from './client.js';

export interface RedisStoreOptions extends RecordStoreOptions {
  /**
   * Where the server is: `redis://` or, with TLS, `rediss://`, with user, password and number of the database if
   * needed. Default `redis://127.0.0.1:6379`.
   */
  readonly url?: string;
  /** A client of yours instead, which you connect and close. While it is not connected, everything is a miss. */
  readonly client?: RedisClientLike;
  /** Begins all names on the server; stores with another one never meet. Default `chunkweave`. */
  readonly prefix?: string;
  /**
   * Bound in bytes, of this tenant and label, whoever writes; the least recently used records go first. Default 1 GiB.
   */
  readonly maxBytes?: number;
  /** Larger records are not kept, and not read. At most 512 MiB, as much as the server takes. Default 64 MiB. */
  readonly maxRecordBytes?: number;
  /** Take records that hold numbers which are not finite for damaged. Default true: others may have written them. */
  readonly finite?: boolean;
  /**
   * Milliseconds that the server may take for a call, or for each piece of a record that is read layer by layer. What
   * takes longer is a miss, `late`. Default 2,000.
   */
  readonly timeoutMs?: number;
  /** Milliseconds that a record lives from its making, used or not; the server removes it then. Default for ever. */
  readonly ttlMs?: number;
  /** Stands in stats and events; default `redis`. */
  readonly name?: string;
}

export type CheckedOptions = Omit<Checked<RedisStoreOptions>, 'client'> &
  Pick<RedisStoreOptions, 'client'>;

const mostRecordBytes = 2 ** 29;
const longestTimeout = 2 ** 31 - 1;

/** @throws InvalidArgumentError */
export function checkOptions(options: RedisStoreOptions): CheckedOptions {
  const checked = {
    ...recordStoreDefaults,
    url: 'redis://127.0.0.1:6379',
    prefix: 'chunkweave',
    maxBytes: 2 ** 30,
    maxRecordBytes: 64 * 2 ** 20,
    finite: true,
    timeoutMs: 2000,
    name: 'redis',
    ...options,
  };
  const { url, prefix, maxRecordBytes, timeoutMs } = checked;
  checkRecordStoreOptions('redisStore', checked);
  if (options.client && options.url !== undefined) {
    refuse('url', shownUrl(url), 'leave it out where there is a client');
  }
  if (!isRedisUrl(url)) {
    refuse('url', shownUrl(url), 'give one such as redis://host:6379/0, or with rediss://');
  }
  // oxlint-disable-next-line no-control-regex
  if (typeof prefix !== 'string' || !/^[^\s\u0000-\u001f]{1,200}$/.test(prefix)) {
    refuse('prefix', prefix, 'give a text of 1 to 200 characters without spaces');
  }
  if (!(maxRecordBytes > 0 && maxRecordBytes <= mostRecordBytes)) {
    refuse('maxRecordBytes', maxRecordBytes, `give a positive number up to ${mostRecordBytes}`);
  }
  if (!(timeoutMs > 0 && timeoutMs <= longestTimeout)) {
    refuse('timeoutMs', timeoutMs, `give a positive number up to ${longestTimeout}`);
  }
  return checked;
}

const refuse = refuseOption.bind(undefined, 'redisStore');

function isRedisUrl(url: unknown): boolean {
  if (typeof url !== 'string' || !/^rediss?:\/\/./.test(url) || !URL.canParse(url)) return false;
  // The number of a database.
  return /^(?:\/\d{0,5})?$/.test(new URL(url).pathname);
}

/** Without what may be a password. */
function shownUrl(url: unknown): string {
  return String(url)
    .replace(/\/\/.*@/, '//…@')
    .slice(0, 80);
}
