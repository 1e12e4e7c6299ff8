import { randomUUID } from 'node:crypto';
import type { Lease } from '../../lib/store/chunk-store.js';
import { assertLeaseMs, freeLease, HeldLeases, maxLeaseMs } from '../record/held-leases.js';
import { ifServed, ServerFailure } from '../record/server-failure.js';
import type { Bucket, CallOptions, Part } from './bucket.js';
import type { Names } from './names.js';

const content = /^([0-9a-f-]{36}) ([0-9]{1,16})$/;
const contentBytes = 64;

/**
 * Who computes a record, among all who share the bucket: a small object a lease, which only one can make. It says when
 * it ends, by the clock of whoever made it: clocks that are apart make leases longer or shorter, which does no harm.
 * A server that makes no objects on a condition cannot decide it: then everyone computes.
 */
export class Leases {
  readonly #bucket: Bucket;
  readonly #names: Names;
  readonly #held = new HeldLeases();

  constructor(bucket: Bucket, names: Names) {
    this.#bucket = bucket;
    this.#names = names;
  }

  /**
   * Undefined while someone else has it.
   * @throws InvalidArgumentError for a time that is none, or above a day; the signal's reason
   */
  async take(key: string, ttlMs: number, call: CallOptions): Promise<Lease | undefined> {
    assertLeaseMs(ttlMs);
    const name = this.#names.lease(key);
    const bytes = Buffer.from(`${randomUUID()} ${Math.ceil(Date.now() + ttlMs)}`);
    try {
      const made = await this.#bucket.write(name, bytes, { ...call, condition: 'new' });
      if (made === 'unsupported') return freeLease;
      if (typeof made === 'object') return this.#lease(name, made.etag);
      const other = await this.#bucket.read(name, {
        ...call,
        from: 0,
        to: contentBytes,
        maxBytes: contentBytes,
      });
      // It was released in this moment: whoever asks next gets it.
      if (typeof other === 'string' || !isOver(other)) return undefined;
      const { etag } = other;
      const taken = await this.#bucket.write(name, bytes, { ...call, condition: { etag } });
      return typeof taken === 'object' ? this.#lease(name, taken.etag) : undefined;
    } catch (error) {
      if (!(error instanceof ServerFailure)) throw error;
      return freeLease;
    }
  }

  releaseAll(): Promise<void> {
    return this.#held.releaseAll();
  }

  #lease(name: string, etag: string): Lease {
    return this.#held.add(async () => {
      // Once its time was over, someone else may have taken it.
      const now = await ifServed(this.#bucket.read(name, { from: 0, to: 1, maxBytes: 1, etag }));
      if (typeof now === 'object') await ifServed(this.#bucket.remove(name));
    });
  }
}

/** One that cannot be read, or that claims to last longer than any may, is nobody's. */
function isOver({ bytes }: Part): boolean {
  const [, , end] = content.exec(Buffer.from(bytes).toString('latin1')) ?? [];
  const left = Number(end) - Date.now();
  return !(left > 0 && left <= maxLeaseMs);
}
