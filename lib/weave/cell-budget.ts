import { ContextOverflowError } from '../errors.js';

/** Cells promised to one caller. */
export interface CellLease {
  /** Held now. */
  readonly cells: number;
  /**
   * Takes up to so many more, never above the lease's most. Undefined when that was done at once; else resolves when
   * there was room for them.
   */
  grow(cells: number, signal?: AbortSignal): Promise<void> | undefined;
  /** Gives them back; further calls do nothing. */
  release(): void;
}

/** What a caller holds and may come to hold. */
interface Holding {
  cells: number;
  readonly most: number;
  /** The growth that it waits for. */
  growth?: Request;
}

interface Request {
  readonly cells: number;
  readonly grant: () => void;
}

interface Waiter extends Request {
  readonly holding: Holding;
}

/**
 * Shares the cells of an arena, so that an ask never fails because another one is running. A caller says how many cells
 * it takes now and how many at most later; more than now are handed out only while everyone, oldest first, could still
 * come to its most when those before it have ended. So the oldest always grows at once, and nobody waits for ever. Who
 * finds too few waits: growth in the order of age, before anyone new; the new first come, first served.
 *
 * Whoever holds a lease must wait for no other but by growing it.
 */
export class CellBudget {
  readonly total: number;
  #free: number;
  /** Oldest first. */
  readonly #holdings: Holding[] = [];
  #waiting: Waiter[] = [];

  constructor(total: number) {
    this.total = total;
    this.#free = total;
  }

  get free(): number {
    return this.#free;
  }

  /**
   * @param most what the lease may grow to; default what it begins with.
   * @throws ContextOverflowError when there are not so many cells at all.
   */
  async acquire(cells: number, signal?: AbortSignal, most = cells): Promise<CellLease> {
    signal?.throwIfAborted();
    const needed = Math.max(cells, most);
    if (needed > this.total) {
      throw new ContextOverflowError(needed, this.total, 'Give the weave more cells.');
    }
    const holding: Holding = { cells: 0, most: needed };
    if (this.#waiting.length === 0 && this.#mayBegin(cells, holding)) this.#begin(cells, holding);
    else await this.#wait(cells, holding, signal);
    let held = true;
    return {
      get cells() {
        return holding.cells;
      },
      grow: (by, signalled) => this.#grow(Math.min(by, needed - holding.cells), holding, signalled),
      release: () => {
        if (!held) return;
        held = false;
        this.#holdings.splice(this.#holdings.indexOf(holding), 1);
        this.#free += holding.cells;
        this.#serve();
      },
    };
  }

  #wait(cells: number, holding: Holding, signal?: AbortSignal): Promise<void> {
    return abortableGrant(signal, (grant) => {
      const waiter = { cells, holding, grant };
      this.#waiting.push(waiter);
      return () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        // Those behind may fit where this one did not.
        this.#serve();
      };
    });
  }

  #grow(cells: number, holding: Holding, signal?: AbortSignal): Promise<void> | undefined {
    if (cells <= 0) return undefined;
    const older = this.#holdings.slice(0, this.#holdings.indexOf(holding));
    if (!older.some(({ growth }) => growth) && this.#isSafe(cells, holding)) {
      this.#take(cells, holding);
      return undefined;
    }
    return abortableGrant(signal, (grant) => {
      holding.growth = { cells, grant };
      return () => {
        delete holding.growth;
        this.#serve();
      };
    });
  }

  #serve(): void {
    for (const holding of this.#holdings) {
      const { growth } = holding;
      if (!growth) continue;
      if (!this.#isSafe(growth.cells, holding)) return;
      delete holding.growth;
      this.#take(growth.cells, holding);
      growth.grant();
    }
    for (;;) {
      const next = this.#waiting[0];
      if (!next || !this.#mayBegin(next.cells, next.holding)) return;
      this.#waiting.shift();
      this.#begin(next.cells, next.holding);
      next.grant();
    }
  }

  #mayBegin(cells: number, holding: Holding): boolean {
    return !this.#holdings.some(({ growth }) => growth) && this.#isSafe(cells, holding);
  }

  #begin(cells: number, holding: Holding): void {
    this.#holdings.push(holding);
    this.#take(cells, holding);
  }

  #take(cells: number, holding: Holding): void {
    this.#free -= cells;
    holding.cells += cells;
  }

  /** Whether, with so many more for one, all could still come to their most, one after the other by age. */
  #isSafe(cells: number, taker: Holding): boolean {
    let free = this.#free - cells;
    if (free < 0) return false;
    for (const holding of this.#holdings) {
      const held = holding.cells + (holding === taker ? cells : 0);
      if (holding.most - held > free) return false;
      free += held;
    }
    return true;
  }
}

/** Resolves when granted; an abort calls what `enqueue` returned and rejects. */
function abortableGrant(
  signal: AbortSignal | undefined,
  enqueue: (grant: () => void) => () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      leave();
      reject(signal?.reason);
    };
    const leave = enqueue(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
