import { deferred } from '../../deferred.js';
import type { ChunkStore } from '../../store/chunk-store.js';
import { abortable } from '../abortable.js';
import { Claims } from '../claims.js';

export interface MakeOptions {
  /** Whether to wait for someone else who computes it. */
  readonly wait: boolean;
  readonly signal: AbortSignal;
}

export interface OnceOptions extends MakeOptions {
  /** Milliseconds that it would take; undefined while nothing was measured. */
  readonly computeMs: number | undefined;
}

/**
 * Work that two callers who want the same do once, also in two processes where the store gives leases. It is named by
 * a key that no other work has.
 */
export class Once {
  readonly #store: ChunkStore;
  /** What is being done here; ends, whatever comes of it. */
  readonly #flights = new Map<string, Promise<void>>();

  constructor(store: ChunkStore) {
    this.#store = store;
  }

  /**
   * Resolves to what was made here; without `wait` to undefined while someone else is at it.
   *
   * @param make looks whether another has made it by now. Where it makes anything, it releases the claims when all of
   * that is in the store.
   * @throws what it throws, or the signal's reason.
   */
  async run<T>(
    name: string,
    { wait, signal, computeMs }: OnceOptions,
    make: (claims: Claims) => Promise<readonly T[]>,
  ): Promise<readonly T[] | undefined> {
    for (let flight = this.#flights.get(name); flight;) {
      if (!wait) return undefined;
      await abortable(flight, signal);
      flight = this.#flights.get(name);
    }
    const { promise, resolve } = deferred<void>();
    this.#flights.set(name, promise);
    const claims = new Claims(this.#store);
    let made: readonly T[] | undefined;
    try {
      const claimed = await claims.claim(name, { computeMs, signal });
      if (claimed === 'theirs' && wait) await claims.awaitOther(name, { computeMs, signal });
      if (claimed !== 'theirs' || wait) made = await make(claims);
    } finally {
      // What is on its way to the store releases the claim when it is there.
      if (!made || made.length === 0) await claims.releaseAll();
      this.#flights.delete(name);
      resolve();
    }
    return made;
  }
}
