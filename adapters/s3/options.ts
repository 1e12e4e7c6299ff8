import {
  type Checked,
  checkRecordStoreOptions,
  recordStoreDefaults,
  type RecordStoreOptions,
  refuseOption,
} from '../record/store-options.js';
import type { S3ClientLike, S3Connection } from './client.js';

export interface S3StoreOptions extends Omit<RecordStoreOptions, 'maxBytes'> {
  readonly bucket: string;
  /** How to come to the bucket. Default what the SDK finds in the environment. */
  readonly connection?: S3Connection;
  /** A client of yours instead, which stays yours. */
  readonly client?: S3ClientLike;
  /** Begins all names in the bucket, without slashes at its ends; default `chunkweave`. */
  readonly prefix?: string;
  /** Larger records are not kept, and not read. At most 5 GiB, as much as one put takes. Default 1 GiB. */
  readonly maxRecordBytes?: number;
  /** Take records that hold numbers which are not finite for damaged. Default true: others may have written them. */
  readonly finite?: boolean;
  /**
   * Milliseconds that a call may take, its attempts and its data included. What takes longer is a miss, `late`.
   * Default 10,000.
   */
  readonly timeoutMs?: number;
  /** Attempts in all where the server fails; default 2. Those of a client of yours are its own. */
  readonly maxAttempts?: number;
  /** Stands in stats and events; default `s3`. */
  readonly name?: string;
}

export type CheckedOptions = Omit<Checked<S3StoreOptions & { maxBytes: number }>, 'client'> &
  Pick<S3StoreOptions, 'client'>;

const mostRecordBytes = 5 * 2 ** 30;
const longestTimeout = 2 ** 31 - 1;

/** @throws InvalidArgumentError */
export function checkOptions(options: S3StoreOptions): CheckedOptions {
  const checked = {
    ...recordStoreDefaults,
    connection: {},
    prefix: 'chunkweave',
    // A bucket has no bound: its lifecycle rules have.
    maxBytes: Infinity,
    maxRecordBytes: 2 ** 30,
    finite: true,
    timeoutMs: 10_000,
    maxAttempts: 2,
    name: 's3',
    ...options,
  };
  const { bucket, prefix, maxRecordBytes, timeoutMs, maxAttempts } = checked;
  checkRecordStoreOptions('s3Store', checked);
  if (typeof bucket !== 'string' || bucket === '') {
    refuse('bucket', bucket, 'give the name of a bucket');
  }
  if (options.client && options.connection) {
    refuse('connection', 'there', 'leave it out where there is a client');
  }
  // oxlint-disable-next-line no-control-regex
  if (typeof prefix !== 'string' || !/^(?!\/)[^\s\u0000-\u001f]{0,200}(?<!\/)$/.test(prefix)) {
    refuse(
      'prefix',
      prefix,
      'give a text of up to 200 characters, without spaces or outer slashes',
    );
  }
  if (!(maxRecordBytes > 0 && maxRecordBytes <= mostRecordBytes)) {
    refuse('maxRecordBytes', maxRecordBytes, `give a positive number up to ${mostRecordBytes}`);
  }
  if (!(timeoutMs > 0 && timeoutMs <= longestTimeout)) {
    refuse('timeoutMs', timeoutMs, `give a positive number up to ${longestTimeout}`);
  }
  if (!(Number.isSafeInteger(maxAttempts) && maxAttempts > 0)) {
    refuse('maxAttempts', maxAttempts, 'give a positive whole number');
  }
  return checked;
}

const refuse = refuseOption.bind(undefined, 's3Store');
