import { InvalidArgumentError } from '../../lib/errors.js';
import type { Lease } from '../../lib/store/chunk-store.js';

/** The longest time that a lease may be asked for, in milliseconds, and the longest that one is believed to last. */
export const maxLeaseMs = 24 * 60 * 60_000;

/** Says no more than that its holder may go on: where there is nobody to agree with. */
export const freeLease: Lease = { async release() {}, async [Symbol.asyncDispose]() {} };

/** @throws InvalidArgumentError for a time that is none, or above a day. */
export function assertLeaseMs(ttlMs: number): void {
  if (ttlMs > 0 && ttlMs <= maxLeaseMs) return;
  throw new InvalidArgumentError(
    `lease: ttlMs is ${ttlMs}; give milliseconds, at most ${maxLeaseMs} (a day).`,
  );
}

/** The leases that a store has given out and that were not released yet. */
export class HeldLeases {
  readonly #held = new Set<Lease>();

  /** @param end gives it back; called once at most. */
  add(end: () => Promise<void>): Lease {
    let released: Promise<void> | undefined;
    const release = (): Promise<void> => {
      this.#held.delete(lease);
      released ??= end();
      return released;
    };
    const lease: Lease = { release, [Symbol.asyncDispose]: release };
    this.#held.add(lease);
    return lease;
  }

  async releaseAll(): Promise<void> {
    await Promise.all([...this.#held].map((lease) => lease.release()));
  }
}
