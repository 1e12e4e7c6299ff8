import { ContextOverflowError } from '../../lib/errors.js';

/** Cells are looked at in multiples of this; some kernels want it. */
export const CELL_STEP = 256;

/** Which cells of an arena are taken, by how many sequences, and how far their layers are valid. */
export class CellTable {
  readonly size: number;
  readonly #users: Uint32Array;
  /** Layers, counted from 0, whose keys and values are valid. */
  readonly ready: Uint16Array;
  /** Cells that an open pass computes again; {@link ready} follows the pass then. */
  readonly writing: Uint8Array;
  /** Of those cells: layers that are valid where the pass leaves them alone. */
  readonly loaded: Uint16Array;
  #free: number;

  constructor(size: number) {
    this.size = size;
    this.#free = size;
    this.#users = new Uint32Array(size);
    this.ready = new Uint16Array(size);
    this.writing = new Uint8Array(size);
    this.loaded = new Uint16Array(size);
  }

  get free(): number {
    return this.#free;
  }

  /** Cells up to the highest one that is taken. */
  get extent(): number {
    let end = this.size;
    while (end > 0 && this.#users[end - 1] === 0) end--;
    return end;
  }

  /**
   * Takes `count` cells, one run where there is one, with no valid layers.
   * @throws ContextOverflowError when fewer are free; nothing is taken then.
   */
  take(count: number): Int32Array {
    this.assertFree(count);
    const cells = new Int32Array(count);
    let from = this.#run(count);
    for (let i = 0; i < count; i++) {
      while (this.#users[from] !== 0) from++;
      cells[i] = from;
      this.#users[from] = 1;
      this.ready[from] = 0;
    }
    this.#free -= count;
    return cells;
  }

  /** @throws ContextOverflowError when fewer cells are free. */
  assertFree(count: number): void {
    if (count <= this.#free) return;
    throw new ContextOverflowError(
      count,
      this.#free,
      'Use fewer or shorter passages, dispose sequences that are done, or create an arena with more cells.',
    );
  }

  share(cells: Int32Array): void {
    for (const cell of cells) this.#users[cell] = (this.#users[cell] as number) + 1;
  }

  isShared(cell: number): boolean {
    return (this.#users[cell] as number) > 1;
  }

  release(cells: Int32Array): void {
    for (const cell of cells) {
      const left = (this.#users[cell] as number) - 1;
      this.#users[cell] = left;
      if (left === 0) this.#free++;
    }
  }

  /** Start of the first free run of this length, or 0. */
  #run(count: number): number {
    let length = 0;
    for (let i = 0; i < this.size; i++) {
      length = this.#users[i] === 0 ? length + 1 : 0;
      if (length === count) return i - count + 1;
    }
    return 0;
  }
}
