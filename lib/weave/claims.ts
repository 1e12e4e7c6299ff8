import type { ChunkStore, Lease } from '../store/chunk-store.js';

export interface ClaimTimes {
  /** Milliseconds that computing what is claimed is expected to take; undefined while nobody knows. */
  readonly computeMs: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds of a lease beyond three times what computing should take. */
const spareMs = 5000;
/** Milliseconds of a lease, and of waiting for another's, while nobody knows how long computing takes. */
const unknownMs = 60_000;
/** Least milliseconds that others may take longer than computing should. */
const leastMarginMs = 2000;
const firstPauseMs = 10;
const longestPauseMs = 500;

/**
 * Rights to compute records, shared with whoever shares the store: another process may be computing the same.
 * A right is a lease, which ends by itself when its holder dies. Where the store has no leases, or does not
 * answer, everyone has every right.
 */
export class Claims {
  readonly #store: ChunkStore;
  readonly #leases = new Map<string, Lease>();

  constructor(store: ChunkStore) {
    this.#store = store;
  }

  /**
   * Asks to be the one who computes a record that was not there a moment ago: `theirs` while another is, `there`
   * when one has just done so.
   */
  async claim(key: string, times: ClaimTimes): Promise<'mine' | 'theirs' | 'there'> {
    if (!(await this.#take(key, times))) return 'theirs';
    return this.#leases.has(key) && (await this.#isThere(key)) ? 'there' : 'mine';
  }

  /**
   * Waits while another computes a record: until it is there, its holder has given up or died, or it has taken
   * longer than it would take here. In the last two cases it is to be computed here.
   */
  async awaitOther(key: string, times: ClaimTimes): Promise<'there' | 'mine'> {
    const { computeMs, signal } = times;
    const mostMs =
      computeMs === undefined ? unknownMs : computeMs + Math.max(computeMs, leastMarginMs);
    const start = performance.now();
    let pause = firstPauseMs;
    for (;;) {
      await sleep(pause, signal);
      if (await this.#isThere(key)) return 'there';
      const claim = await this.claim(key, times);
      if (claim !== 'theirs') return claim;
      if (performance.now() - start > mostMs) return 'mine';
      pause = Math.min(longestPauseMs, pause * 1.5);
    }
  }

  /** Gives a right back, so that others find the record or compute it. */
  async release(key: string): Promise<void> {
    const lease = this.#leases.get(key);
    this.#leases.delete(key);
    // It ends by itself where it cannot be given back.
    await lease?.release().catch(() => {});
  }

  async releaseAll(): Promise<void> {
    await Promise.all(Array.from(this.#leases.keys(), (key) => this.release(key)));
  }

  async #take(key: string, { computeMs, signal }: ClaimTimes): Promise<boolean> {
    if (!this.#store.lease || this.#leases.has(key)) return true;
    const ttlMs = Math.ceil(computeMs === undefined ? unknownMs : 3 * computeMs + spareMs);
    try {
      const lease = await this.#store.lease(key, { ttlMs, ...(signal && { signal }) });
      if (lease) this.#leases.set(key, lease);
      return lease !== undefined;
    } catch {
      signal?.throwIfAborted();
      return true;
    }
  }

  async #isThere(key: string): Promise<boolean> {
    return this.#store.has(key).catch(() => false);
  }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
