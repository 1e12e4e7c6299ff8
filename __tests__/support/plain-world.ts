import type { KvSequence, RowGroup } from '../../lib/engine/arena.js';
import type { Span } from '../../lib/engine/span.js';
import type { ChunkKv } from '../../lib/engine/chunk-kv.js';
import type { ForwardResult } from '../../lib/engine/forward.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import type { OwnCompute } from './native.js';
import {
  copiedCell,
  emptyCell,
  type PlainCell,
  type PlainRow,
  type PlainTransformer,
} from './plain-transformer.js';

/** A sequence of the engine and what it should hold. */
export interface Twin {
  readonly own: KvSequence;
  cells: PlainCell[];
}

/** Chunk KV of the engine and what it should be; plain cells at position 0. */
export interface TwinChunk {
  readonly kv: ChunkKv;
  readonly cells: readonly PlainCell[];
}

/** What a batch's group does to a twin. */
export type TwinGroup =
  | {
      readonly kind: 'append';
      readonly twin: Twin;
      readonly tokens: number[];
      readonly positions: number[];
    }
  | { readonly kind: 'refresh'; readonly twin: Twin; readonly entries: number[] };

/** From this layer on, only these of the refreshed entries of each group go on. */
export interface Narrowing {
  readonly layer: number;
  readonly stays: (entry: number) => boolean;
}

/** Hears of logits `[rows][vocab]` that should be the same. */
export type Compare = (
  expected: Float32Array,
  found: Float32Array,
  about: { readonly what: string; readonly rows: number },
) => void;

export const nextPosition = (cells: readonly PlainCell[]): number =>
  cells.reduce((highest, { position }) => Math.max(highest, position), -1) + 1;

/** Does everything twice: on the engine, and with plain loops. Cells are copied where the engine may share. */
export class PlainWorld {
  readonly #own: OwnCompute;
  readonly #plain: PlainTransformer;
  readonly twins: Twin[] = [];
  readonly chunks: TwinChunk[] = [];
  readonly #compare: Compare;

  constructor(own: OwnCompute, plain: PlainTransformer, compare: Compare) {
    this.#own = own;
    this.#plain = plain;
    this.#compare = compare;
  }

  get layers(): number {
    return this.#plain.hp.layers;
  }

  create(): Twin {
    const twin = { own: this.#own.arena.createSequence(), cells: [] };
    this.twins.push(twin);
    return twin;
  }

  fork(twin: Twin, end: number): Twin {
    const made = { own: twin.own.fork(end), cells: twin.cells.slice(0, end).map(copiedCell) };
    this.twins.push(made);
    return made;
  }

  adopt(to: Twin, from: Twin, span: Span): void {
    const cells = from.cells.slice(span.start, span.end);
    try {
      to.own.adopt(from.own, span);
    } catch (error) {
      // One cell cannot stand for two entries.
      const held = new Set(to.cells.map(({ position }) => position));
      const isRefusal = error instanceof InvalidArgumentError;
      if (!isRefusal || !cells.some(({ position }) => held.has(position))) throw error;
      return;
    }
    to.cells.push(...cells.map(copiedCell));
  }

  async capture(twin: Twin, span: Span, parts: readonly number[]): Promise<void> {
    const kv: ChunkKv[] = [];
    const borders = [0, ...parts, this.layers];
    for (let i = 1; i < borders.length; i++) {
      const layers = { from: borders[i - 1] as number, to: borders[i] as number };
      if (layers.to > layers.from) kv.push(await twin.own.capture(span, { layers }));
    }
    const data = Buffer.concat(kv.map((part) => part.data));
    const cells = twin.cells.slice(span.start, span.end).map((cell) => this.#plain.moved(cell, 0));
    const [first] = kv as [ChunkKv];
    this.chunks.push({
      kv: { ...first, layers: { from: 0, to: this.layers }, data },
      cells,
    });
  }

  /** Splices a chunk, its layers from `upper` on in a second step. */
  async splice(twin: Twin, chunk: TwinChunk, position: number, upper: number): Promise<void> {
    const { kv } = chunk;
    const bytes = kv.data.byteLength / this.layers;
    const part = (from: number, to: number): ChunkKv => ({
      ...kv,
      layers: { from, to },
      data: kv.data.subarray(from * bytes, to * bytes),
    });
    const span = await twin.own.splice(part(0, upper), { position });
    if (upper < this.layers) await twin.own.load(span, part(upper, this.layers));
    chunk.cells.forEach((cell, i) => twin.cells.push(this.#plain.moved(cell, position + i)));
  }

  async move(twin: Twin, span: Span, by: number): Promise<void> {
    await twin.own.move(span, by);
    this.#shift(twin, span, by);
  }

  async drop(twin: Twin, span: Span, close: boolean): Promise<void> {
    await twin.own.drop(span, { close });
    if (close) this.#shift(twin, { start: span.end, end: twin.cells.length }, -room(twin, span));
    twin.cells.splice(span.start, span.end - span.start);
  }

  async replace(twin: Twin, span: Span, tokens: number[]): Promise<void> {
    const first = twin.cells[span.start]?.position ?? nextPosition(twin.cells);
    await twin.own.replace(span, Int32Array.from(tokens));
    this.#shift(
      twin,
      { start: span.end, end: twin.cells.length },
      tokens.length - room(twin, span),
    );
    const made = tokens.map((token, i) => emptyCell(token, first + i));
    twin.cells.splice(span.start, span.end - span.start, ...made);
    this.#compute(made, twin.cells);
  }

  /** Runs a batch, in one step or, with a narrowing, layer by layer; compares the logits of every row. */
  async forward(groups: readonly TwinGroup[], narrowing?: Narrowing): Promise<void> {
    const { arena } = this.#own;
    const own = groups.map((group): RowGroup => {
      const sequence = group.twin.own;
      return group.kind === 'refresh'
        ? { kind: 'refresh', sequence, entries: Int32Array.from(group.entries) }
        : {
            kind: 'append',
            sequence,
            tokens: Int32Array.from(group.tokens),
            positions: Int32Array.from(group.positions),
          };
    });
    const { rows, stays } = this.#rows(groups, narrowing);
    let live = [...rows.keys()];
    let result: ForwardResult;
    if (narrowing) {
      const pass = await arena.begin(own);
      if (narrowing.layer > 0) await pass.advance(narrowing.layer);
      live = live.filter((row) => stays[row]);
      pass.keep(Int32Array.from(live));
      result = await pass.finish({ logits: 'all' });
      this.#plain.advance(rows, 0, narrowing.layer);
      this.#plain.advance(
        live.map((row) => rows[row] as PlainRow),
        narrowing.layer,
        this.layers,
      );
    } else {
      result = await arena.forward(own, { logits: 'all' });
      this.#plain.advance(rows, 0, this.layers);
    }
    const what = groups.map(({ kind }) => kind).join(' and ');
    this.#compareRows(
      live.map((row) => rows[row] as PlainRow),
      result,
      what,
    );
  }

  /** Asks and takes the question back: logits of every token of it, and the attention of all of them. */
  async ask(twin: Twin, tokens: number[]): Promise<void> {
    const { hp } = this.#plain;
    const first = nextPosition(twin.cells);
    const made = tokens.map((token, i) => emptyCell(token, first + i));
    const world = [...twin.cells, ...made];
    const places = new Map(world.map((cell, entry) => [cell, entry]));
    const mass = new Float64Array(world.length);
    const rows = made.map((cell) => this.#plain.row(cell, world));
    this.#plain.advance(rows, 0, hp.layers, (_layer, _row, cell, weight) => {
      const entry = places.get(cell) as number;
      mass[entry] = (mass[entry] as number) + weight;
    });

    const question = Int32Array.from(tokens);
    const layers = Array.from({ length: hp.layers }, (_, layer) => layer);
    const { byEntry } = await twin.own.probe(question, { layers });
    const total = hp.layers * hp.heads * tokens.length;
    const apart = mass.reduce((sum, m, i) => sum + Math.abs(m - (byEntry[i] as number)), 0) / total;
    if (!(apart < 0.002)) throw new Error(`attention differs by ${apart} of its mass`);

    const fork = twin.own.fork();
    const result = await fork.append(question, { logits: 'all' });
    fork.dispose();
    this.#compareRows(rows, result, 'ask');
  }

  dispose(twin: Twin): void {
    twin.own.dispose();
    this.twins.splice(this.twins.indexOf(twin), 1);
  }

  #compareRows(rows: readonly PlainRow[], { logits }: ForwardResult, what: string): void {
    const { vocabSize } = this.#own;
    const expected = new Float32Array(rows.length * vocabSize);
    rows.forEach((row, i) => expected.set(this.#plain.logits(row), i * vocabSize));
    this.#compare(expected, logits?.values as Float32Array, { what, rows: rows.length });
  }

  #rows(
    groups: readonly TwinGroup[],
    narrowing: Narrowing | undefined,
  ): { rows: PlainRow[]; stays: boolean[] } {
    const cells: PlainCell[][] = [];
    const stays: boolean[] = [];
    // All groups of one sequence see each other, so the cells are in place before any row is made.
    for (const { twin, ...group } of groups) {
      if (group.kind === 'append') {
        const made = group.tokens.map((token, i) => emptyCell(token, group.positions[i] as number));
        twin.cells.push(...made);
        cells.push(made);
        stays.push(...made.map(() => true));
      } else {
        cells.push(group.entries.map((entry) => twin.cells[entry] as PlainCell));
        stays.push(...group.entries.map((entry) => narrowing?.stays(entry) ?? true));
      }
    }
    const rows = groups.flatMap(({ twin }, i) =>
      (cells[i] as PlainCell[]).map((cell) => this.#plain.row(cell, twin.cells)),
    );
    return { rows, stays };
  }

  #compute(cells: readonly PlainCell[], world: readonly PlainCell[]): void {
    this.#plain.advance(
      cells.map((cell) => this.#plain.row(cell, world)),
      0,
      this.layers,
    );
  }

  #shift(twin: Twin, span: Span, by: number): void {
    if (by === 0) return;
    twin.cells = twin.cells.map((cell, i) =>
      i >= span.start && i < span.end ? this.#plain.moved(cell, cell.position + by) : cell,
    );
  }
}

/** Positions that a span takes up: up to the entry that follows it. */
export function room({ cells }: Twin, { start, end }: Span): number {
  if (start === end) return 0;
  const next = cells[end]?.position ?? (cells[end - 1] as PlainCell).position + 1;
  return next - (cells[start] as PlainCell).position;
}
