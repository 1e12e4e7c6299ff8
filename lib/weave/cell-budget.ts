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

/** Cells of a conversation that nobody is asking in: lent until others need them. */
export interface ParkedCells {
  readonly cells: number;
  /** Whether they went to others, or were released. */
  readonly gone: boolean;
  /** Holds them again; undefined when they are gone. */
  take(): CellLease | undefined;
  /** From now on they are the last to go. */
  touch(): void;
  /** Gives them back; does nothing when they are gone. */
  release(): void;
}

interface Parked {
  readonly cells: number;
  readonly reclaim: () => void;
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
 * Whoever holds a lease must wait for no other but by growing it. Parked cells are handed over before anyone waits, those
 * that were parked or touched first before the others.
 */
export class CellBudget {
  readonly total: number;
  #free: number;
  /** Oldest first. */
  readonly #holdings: Holding[] = [];
  #waiting: Waiter[] = [];
  readonly #holdingOf = new WeakMap<CellLease, Holding>();
  /** Next to be reclaimed first. */
  readonly #parked = new Set<Parked>();

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
    return this.#leaseOf(holding);
  }

  /** Cells that are free at once, without anyone's giving any up; undefined when there are too few. */
  acquireFree(cells: number): CellLease | undefined {
    const holding: Holding = { cells: 0, most: cells };
    const isBusy = this.#waiting.length > 0 || this.#holdings.some(({ growth }) => growth);
    if (isBusy || !this.#isSafe(cells, holding)) return undefined;
    this.#begin(cells, holding);
    return this.#leaseOf(holding);
  }

  /**
   * Takes leases back but for `cells` of what they hold, which others may have as soon as they need them.
   *
   * @param reclaim called when they do, once; must free the cells before it returns. Not called after `take` or `release`.
   */
  park(leases: readonly CellLease[], cells: number, reclaim: () => void): ParkedCells {
    let held = 0;
    for (const lease of leases) held += this.#end(lease) ?? 0;
    const parked: Parked = { cells: Math.min(cells, held), reclaim };
    this.#free += held - parked.cells;
    this.#parked.add(parked);
    this.#serve();
    const isThere = () => this.#parked.has(parked);
    return {
      cells: parked.cells,
      get gone() {
        return !isThere();
      },
      take: () => {
        if (!this.#parked.delete(parked)) return undefined;
        // Nobody counted on these, so all stay safe.
        const holding: Holding = { cells: parked.cells, most: parked.cells };
        this.#holdings.push(holding);
        return this.#leaseOf(holding);
      },
      touch: () => {
        if (this.#parked.delete(parked)) this.#parked.add(parked);
      },
      release: () => {
        if (!this.#parked.delete(parked)) return;
        this.#free += parked.cells;
        this.#serve();
      },
    };
  }

  #leaseOf(holding: Holding): CellLease {
    const lease: CellLease = {
      get cells() {
        return holding.cells;
      },
      grow: (by, signalled) =>
        this.#grow(Math.min(by, holding.most - holding.cells), holding, signalled),
      release: () => {
        const held = this.#end(lease);
        if (held === undefined) return;
        this.#free += held;
        this.#serve();
      },
    };
    this.#holdingOf.set(lease, holding);
    return lease;
  }

  /** Ends a lease without giving its cells to anyone yet: how many those are. Undefined where it had ended. */
  #end(lease: CellLease): number | undefined {
    const holding = this.#holdingOf.get(lease);
    if (!holding) return undefined;
    this.#holdings.splice(this.#holdings.indexOf(holding), 1);
    this.#holdingOf.delete(lease);
    return holding.cells;
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
    if (!older.some(({ growth }) => growth) && this.#makeSafe(cells, holding)) {
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
      if (!this.#makeSafe(growth.cells, holding)) return;
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
    return !this.#holdings.some(({ growth }) => growth) && this.#makeSafe(cells, holding);
  }

  #begin(cells: number, holding: Holding): void {
    this.#holdings.push(holding);
    this.#take(cells, holding);
  }

  #take(cells: number, holding: Holding): void {
    this.#free -= cells;
    holding.cells += cells;
  }

  /** {@link #isSafe}, where need be by reclaiming parked cells: none where all of them would not do. */
  #makeSafe(cells: number, taker: Holding): boolean {
    let parked = 0;
    for (const each of this.#parked) parked += each.cells;
    if (!this.#isSafe(cells, taker, parked)) return false;
    while (!this.#isSafe(cells, taker)) {
      const [oldest] = this.#parked;
      if (!oldest) return false;
      this.#parked.delete(oldest);
      oldest.reclaim();
      this.#free += oldest.cells;
    }
    return true;
  }

  /**
   * Whether, with so many more for one, all could still come to their most, one after the other by age.
   *
   * @param more cells beside those that are free.
   */
  #isSafe(cells: number, taker: Holding, more = 0): boolean {
    let free = this.#free + more - cells;
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
