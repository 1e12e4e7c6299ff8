import { InvalidArgumentError } from '../../errors.js';
import type { Cells } from './cells.js';

/** The entries of one sequence: which cells, in which order, and who still needs them. */
export class Entries {
  readonly cells: Cells;
  /** The cell of each entry. */
  list: number[] = [];
  /** Stepped passes that are under way. */
  passes = 0;
  #holds = 0;
  #disposed = false;

  constructor(cells: Cells) {
    this.cells = cells;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  get length(): number {
    return this.list.length;
  }

  position(entry: number): number {
    return this.cells.position[this.list[entry] as number] as number;
  }

  /** The position after the highest one. */
  get nextPosition(): number {
    let next = 0;
    for (const cell of this.list) next = Math.max(next, (this.cells.position[cell] as number) + 1);
    return next;
  }

  /** A pass counts on the entries that it began with. */
  assertNoPass(): void {
    if (this.passes === 0) return;
    throw new InvalidArgumentError(
      'A pass over this sequence is under way; finish or dispose it before the sequence is changed.',
    );
  }

  /** How many of these entries share their cell with another sequence. */
  shared(entries: Iterable<number>): number {
    let count = 0;
    for (const entry of entries) if (this.cells.users(this.list[entry] as number) > 1) count++;
    return count;
  }

  /** Makes an entry's cell this sequence's own and returns it. */
  own(entry: number): number {
    const cell = this.cells.own(this.list[entry] as number);
    this.list[entry] = cell;
    return cell;
  }

  /** Keeps the cells until {@link letGo}, even when the sequence is disposed meanwhile. */
  hold(): void {
    this.#holds++;
  }

  letGo(): void {
    this.#holds--;
    this.#release();
  }

  dispose(): void {
    this.#disposed = true;
    this.#release();
  }

  #release(): void {
    if (!this.#disposed || this.#holds > 0) return;
    this.cells.release(this.list);
    this.list = [];
  }
}
