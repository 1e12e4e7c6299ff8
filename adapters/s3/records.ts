import type { OpenValue, RecordServer } from '../record/server-records.js';
import type { Bucket, CallOptions } from './bucket.js';
import type { Names } from './names.js';
import { openObject } from './object-source.js';

export interface OpenOptions extends CallOptions {
  /** Bytes to read at first. Default enough for the preamble of nearly every record. */
  readonly headBytes?: number;
}

const preambleBytes = 2 ** 16;

/** How records are come by in a bucket. */
export class BucketRecords implements RecordServer<OpenOptions> {
  readonly #bucket: Bucket;
  readonly #names: Names;

  constructor(bucket: Bucket, names: Names) {
    this.#bucket = bucket;
    this.#names = names;
  }

  async open(key: string, options: OpenOptions): Promise<OpenValue | undefined> {
    const name = this.#names.record(key);
    const object = await openObject(this.#bucket, name, { headBytes: preambleBytes, ...options });
    return typeof object === 'string' ? undefined : object;
  }

  /** Not every server removes on a condition, so a look comes first. */
  async take(key: string, value: OpenValue | undefined): Promise<number | undefined> {
    const name = this.#names.record(key);
    const now = await this.#bucket.read(name, { from: 0, to: 1, maxBytes: 1 });
    // One without any bytes has no identity.
    if (typeof now === 'string' && value) return undefined;
    if (typeof now === 'object' && value && now.etag !== value.identity) return undefined;
    await this.#bucket.remove(name);
    return value?.source.length ?? 0;
  }
}
