import type { KvLayout } from '../../engine/model-info.js';
import { ContextOverflowError } from '../../errors.js';

/** The cells of an arena: keys (not rotated) and values by layer, and who holds them. */
export class Cells {
  readonly size: number;
  readonly token: Int32Array;
  readonly position: Int32Array;
  /** Layers, counted from 0, whose keys and values are valid. */
  readonly ready: Int32Array;
  /** Layers, counted from 0, that hold something: more than are ready while a pass rewrites the cell. */
  readonly held: Int32Array;
  /** 1 while a pass rewrites the cell. */
  readonly live: Uint8Array;
  /** `[size][keyWidth]` for each layer, values that half precision can hold. */
  readonly keys: readonly Float32Array[];
  readonly values: readonly Float32Array[];
  readonly layout: KvLayout;
  readonly #users: Int32Array;
  #free: number;

  constructor(size: number, layout: KvLayout) {
    this.size = size;
    this.layout = layout;
    this.#free = size;
    this.token = new Int32Array(size);
    this.position = new Int32Array(size);
    this.ready = new Int32Array(size);
    this.held = new Int32Array(size);
    this.live = new Uint8Array(size);
    this.#users = new Int32Array(size);
    const layers = Array.from({ length: layout.layers });
    this.keys = layers.map(() => new Float32Array(size * layout.keyWidth));
    this.values = layers.map(() => new Float32Array(size * layout.valueWidth));
  }

  get free(): number {
    return this.#free;
  }

  /** @throws ContextOverflowError when fewer than `count` cells are free. */
  reserve(count: number): void {
    if (count <= this.#free) return;
    throw new ContextOverflowError(
      count,
      this.#free,
      'Use fewer or shorter passages, dispose sequences that are done, or create a larger arena.',
    );
  }

  /** Takes cells that hold nothing yet. */
  take(count: number): number[] {
    this.reserve(count);
    const cells: number[] = [];
    for (let cell = 0; cells.length < count; cell++) {
      if (this.#users[cell] !== 0) continue;
      this.#users[cell] = 1;
      this.ready[cell] = 0;
      this.held[cell] = 0;
      this.live[cell] = 0;
      cells.push(cell);
    }
    this.#free -= count;
    return cells;
  }

  users(cell: number): number {
    return this.#users[cell] as number;
  }

  share(cells: readonly number[]): void {
    for (const cell of cells) this.#users[cell] = this.users(cell) + 1;
  }

  release(cells: readonly number[]): void {
    for (const cell of cells) {
      const left = this.users(cell) - 1;
      this.#users[cell] = left;
      if (left === 0) this.#free++;
    }
  }

  /** A cell that only the caller holds: this one, or a copy of it in its place. */
  own(cell: number): number {
    if (this.users(cell) === 1) return cell;
    const copy = this.take(1)[0] as number;
    this.token[copy] = this.token[cell] as number;
    this.position[copy] = this.position[cell] as number;
    this.ready[copy] = this.ready[cell] as number;
    this.held[copy] = this.held[cell] as number;
    this.live[copy] = this.live[cell] as number;
    this.live[cell] = 0;
    for (let layer = 0; layer < this.layout.layers; layer++) {
      this.key(layer, copy).set(this.key(layer, cell));
      this.value(layer, copy).set(this.value(layer, cell));
    }
    this.release([cell]);
    return copy;
  }

  key(layer: number, cell: number): Float32Array {
    const width = this.layout.keyWidth;
    return (this.keys[layer] as Float32Array).subarray(cell * width, (cell + 1) * width);
  }

  value(layer: number, cell: number): Float32Array {
    const width = this.layout.valueWidth;
    return (this.values[layer] as Float32Array).subarray(cell * width, (cell + 1) * width);
  }
}
