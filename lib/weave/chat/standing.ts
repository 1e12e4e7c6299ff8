import type { KvSequence } from '../../engine/arena.js';
import type { CellBudget, CellLease, ParkedCells } from '../cell-budget.js';

/** A conversation in its cells while nobody asks in it. */
export class Standing {
  readonly sequence: KvSequence;
  readonly #cells: CellBudget;
  #parked: ParkedCells;

  /**
   * @param leases what was held for it.
   * @param count cells that it keeps: those of the sequence without what is shared with all prompts.
   */
  constructor(
    cells: CellBudget,
    sequence: KvSequence,
    leases: readonly CellLease[],
    count: number,
  ) {
    this.sequence = sequence;
    this.#cells = cells;
    this.#parked = this.#park(leases, count);
  }

  /** Others needed the cells. */
  get gone(): boolean {
    return this.#parked.gone;
  }

  get count(): number {
    return this.#parked.cells;
  }

  /** Takes part in a turn that will need `more` cells first and up to `most`; undefined when its cells are gone by then. */
  async take(
    more: number,
    most: number,
    signal: AbortSignal,
  ): Promise<readonly [CellLease, CellLease] | undefined> {
    this.#parked.touch();
    const turn = await this.#cells.acquire(more, signal, most);
    const own = this.#parked.take();
    if (own) return [own, turn];
    turn.release();
    return undefined;
  }

  /** The turn failed: all is as it was before. */
  putBack(leases: readonly CellLease[]): void {
    this.#parked = this.#park(leases, this.#parked.cells);
  }

  /** Gives the cells back, where no turn holds them. */
  release(): void {
    if (this.gone) return;
    this.sequence.dispose();
    this.#parked.release();
  }

  #park(leases: readonly CellLease[], count: number): ParkedCells {
    return this.#cells.park(leases, count, () => this.sequence.dispose());
  }
}
