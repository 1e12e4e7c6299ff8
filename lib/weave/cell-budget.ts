import { ContextOverflowError } from '../errors.js';

/** Cells promised to one caller. */
export interface CellLease {
  readonly cells: number;
  /** Gives them back; further calls do nothing. */
  release(): void;
}

interface Waiter {
  readonly cells: number;
  readonly grant: () => void;
}

/**
 * Shares the cells of an arena: who finds too few free ones waits, first come first served, so an ask never
 * fails because another one is running. Whoever holds a lease must not wait for another.
 */
export class CellBudget {
  readonly total: number;
  #free: number;
  #waiting: Waiter[] = [];

  constructor(total: number) {
    this.total = total;
    this.#free = total;
  }

  get free(): number {
    return this.#free;
  }

  /** @throws ContextOverflowError when there are not so many cells at all. */
  async acquire(cells: number, signal?: AbortSignal): Promise<CellLease> {
    signal?.throwIfAborted();
    if (cells > this.total) {
      throw new ContextOverflowError(cells, this.total, 'Give the weave more cells.');
    }
    if (this.#waiting.length > 0 || cells > this.#free) await this.#wait(cells, signal);
    else this.#free -= cells;
    let held = true;
    return {
      cells,
      release: () => {
        if (!held) return;
        held = false;
        this.#free += cells;
        this.#serve();
      },
    };
  }

  #wait(cells: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        cells,
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(signal?.reason);
        // Those behind may fit where this one did not.
        this.#serve();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  #serve(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (!next || next.cells > this.#free) return;
      this.#waiting.shift();
      this.#free -= next.cells;
      next.grant();
    }
  }
}
