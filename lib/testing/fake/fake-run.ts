import type {
  ForwardOutputs,
  ForwardResult,
  LayerOutputs,
  LayerResult,
} from '../../engine/forward.js';
import { InvalidArgumentError, StaleCellError } from '../../errors.js';
import type { Cells } from './cells.js';
import type { Entries } from './entries.js';
import type { FakeModel } from './fake-model.js';
import { type OutputContext, OutputCollector } from './outputs.js';
import { type GroupSpec, type Row, type RowPlan, setUpRows } from './row-plan.js';
import { checkDistinct } from './validate.js';

/** What the engine does around the computing of a layer. */
export interface RunHooks {
  /** Called before each layer: waits, fails on request, counts. */
  readonly beforeLayer: (rows: number) => Promise<void>;
}

export interface AdvanceOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((share: number) => void) | undefined;
}

/** What rows of one sequence see of it in one layer: rotated keys, and where the values are. */
interface View {
  readonly cells: readonly number[];
  readonly positions: Int32Array;
  readonly keys: Float64Array;
}

/** Rows on their way through the layers. */
export class FakeRun {
  /** The next layer to be computed. */
  layer = 0;
  readonly rows: readonly Row[];
  /** Numbers of the rows that are still computed. */
  live: number[];
  readonly #model: FakeModel;
  readonly #cells: Cells;
  readonly #hooks: RunHooks;
  readonly #x: readonly Float64Array[];
  /** Cells of appended rows, by sequence. */
  readonly #joining: Map<Entries, number[]>;
  readonly #groups: readonly { readonly append: boolean; readonly entries: number }[];

  /**
   * Sets the rows up.
   * @throws ContextOverflowError before anything was changed.
   */
  constructor(
    model: FakeModel,
    cells: Cells,
    plan: RowPlan,
    groups: readonly GroupSpec[],
    hooks: RunHooks,
  ) {
    this.#model = model;
    this.#cells = cells;
    this.#hooks = hooks;
    this.rows = plan.rows;
    this.#joining = setUpRows(cells, plan);
    this.live = plan.rows.map((_, row) => row);
    this.#groups = groups.map(({ kind, entries }) => ({
      append: kind === 'append',
      entries: entries.length + (this.#joining.get(entries)?.length ?? 0),
    }));
    this.#x = plan.rows.map((row) => {
      cells.live[this.#cell(row)] = 1;
      const x = new Float64Array(model.info.width);
      model.embed(row.token, x);
      return x;
    });
  }

  /** Checks requests and collects results for layers up to `to`. */
  collector(outputs: LayerOutputs, to: number): OutputCollector {
    const context: OutputContext = {
      rows: this.rows,
      live: [...this.live],
      groups: this.#groups,
      width: this.#model.info.width,
      keyWidth: this.#model.info.kv.keyWidth,
      valueWidth: this.#model.info.kv.valueWidth,
      probeLayers: this.#model.info.probeLayers,
      from: this.layer,
      to,
    };
    return new OutputCollector(outputs, context);
  }

  async advance(
    to: number,
    collector: OutputCollector,
    options: AdvanceOptions,
  ): Promise<LayerResult> {
    const from = this.layer;
    this.assertReady(to);
    while (this.layer < to) {
      await this.#hooks.beforeLayer(this.live.length);
      options.signal?.throwIfAborted();
      this.#computeLayer(this.layer, collector);
      this.layer++;
      options.onProgress?.((this.layer - from) / (to - from));
    }
    return collector.result();
  }

  /**
   * Checks that every cell the rows see up to layer `to` holds keys and values.
   * @throws StaleCellError
   */
  assertReady(to: number): void {
    for (const [entries, rows] of this.#rowsBySequence()) {
      this.#list(entries).forEach((cell, entry) => {
        const ready = this.#cells.ready[cell] as number;
        if (ready >= to || this.#cells.live[cell] === 1) return;
        const position = this.#cells.position[cell] as number;
        for (let layer = Math.max(ready, this.layer); layer < to; layer++) {
          if (rows.some((row) => this.#sees(layer, row.position, position))) {
            throw new StaleCellError(`Entry ${entry} holds nothing valid in layer ${layer}.`);
          }
        }
      });
    }
  }

  keep(rows: Int32Array): void {
    checkDistinct(rows, this.rows.length, 'row');
    const kept = new Set(rows);
    const live = new Set(this.live);
    for (const row of kept) {
      if (!live.has(row)) throw new InvalidArgumentError(`Row ${row} is no longer computed.`);
    }
    const dropped = this.live.filter((row) => !kept.has(row));
    if (dropped.some((row) => this.rows[row]?.append)) {
      throw new InvalidArgumentError('Appended rows must stay.');
    }
    for (const row of dropped) {
      const cell = this.#cell(this.rows[row] as Row);
      this.#cells.live[cell] = 0;
      this.#cells.ready[cell] = this.#cells.held[cell] as number;
    }
    this.live = this.live.filter((row) => kept.has(row));
  }

  /** Row numbers whose logits are wanted, ascending. */
  logitRows(request: ForwardOutputs['logits']): number[] {
    if (request === 'none') return [];
    if (request === 'all') return [...this.live];
    if (request === undefined || request === 'last') {
      const last = new Map<number, number>();
      this.rows.forEach((row, number) => row.append && last.set(row.group, number));
      return [...last.values()].sort((a, b) => a - b);
    }
    if (!ArrayBuffer.isView(request)) {
      throw new InvalidArgumentError(`Unknown request for logits: ${String(request)}`);
    }
    checkDistinct(request, this.rows.length, 'row');
    const live = new Set(this.live);
    for (const row of request) {
      if (!live.has(row)) throw new InvalidArgumentError(`Row ${row} is no longer computed.`);
    }
    return [...request].sort((a, b) => a - b);
  }

  /** Logits and losses of rows that went through all layers. */
  head(rows: readonly number[], losses: boolean): Pick<ForwardResult, 'logits' | 'losses'> {
    const { vocabSize } = this.#model.info;
    const values = new Float32Array(rows.length * vocabSize);
    rows.forEach((row, i) => {
      values.set(this.#model.logits(this.#x[row] as Float64Array), i * vocabSize);
    });
    return {
      ...(rows.length > 0 && { logits: { rows: Int32Array.from(rows), values } }),
      ...(losses && { losses: this.#losses() }),
    };
  }

  /** Ends the run: its cells are no longer about to be written. */
  end(): void {
    for (const row of this.live) this.#cells.live[this.#cell(this.rows[row] as Row)] = 0;
  }

  /** Ends the run; appended rows join their sequences. */
  join(): void {
    this.end();
    for (const [entries, cells] of this.#joining) entries.list.push(...cells);
  }

  /** Ends the run and gives the cells of appended rows back. */
  undo(): void {
    this.end();
    for (const cells of this.#joining.values()) this.#cells.release(cells);
  }

  /** The cells that rows of a sequence may see. */
  #list(entries: Entries): readonly number[] {
    const joining = this.#joining.get(entries);
    return joining ? [...entries.list, ...joining] : entries.list;
  }

  #cell({ entries, entry, append }: Row): number {
    return (
      append ? this.#joining.get(entries)?.[entry - entries.length] : entries.list[entry]
    ) as number;
  }

  #rowsBySequence(): Map<Entries, Row[]> {
    const rows = new Map<Entries, Row[]>();
    for (const number of this.live) {
      const row = this.rows[number] as Row;
      const known = rows.get(row.entries);
      if (known) known.push(row);
      else rows.set(row.entries, [row]);
    }
    return rows;
  }

  #sees(layer: number, row: number, entry: number): boolean {
    const window = this.#model.window(layer);
    return entry <= row && (window === 0 || row - entry < window);
  }

  #computeLayer(layer: number, collector: OutputCollector): void {
    const cells = this.#cells;
    const queries = new Map<number, Float64Array>();
    for (const number of this.live) {
      const row = this.rows[number] as Row;
      const cell = this.#cell(row);
      const { q, k, v } = this.#model.project(layer, this.#x[number] as Float64Array);
      const key = cells.key(layer, cell);
      const value = cells.value(layer, cell);
      if (!row.append && (cells.held[cell] as number) > layer) {
        collector.addDeviation(layer, number, distance(k, key), distance(v, value));
        collector.addChange(layer, number, { keys: [k, key], values: [v, value] });
      }
      key.set(k);
      value.set(v);
      cells.ready[cell] = layer + 1;
      cells.held[cell] = Math.max(cells.held[cell] as number, layer + 1);
      queries.set(number, q);
    }
    const views = new Map<Entries, View>();
    for (const number of this.live) {
      const { entries, position } = this.rows[number] as Row;
      let view = views.get(entries);
      if (!view) {
        view = this.#view(layer, entries);
        views.set(entries, view);
      }
      const query = queries.get(number) as Float64Array;
      this.#model.rotate(query.slice(), position, query, 0);
      const x = this.#x[number] as Float64Array;
      const attended = this.#attend(layer, position, query, view, (weights) =>
        collector.addWeights(layer, number, weights),
      );
      this.#model.mix(layer, x, attended);
      collector.addHidden(layer, number, x);
    }
  }

  #view(layer: number, entries: Entries): View {
    const { keyWidth } = this.#model.info.kv;
    const cells = this.#list(entries);
    const keys = new Float64Array(cells.length * keyWidth);
    const positions = new Int32Array(cells.length);
    cells.forEach((cell, entry) => {
      positions[entry] = this.#cells.position[cell] as number;
      const key = this.#cells.key(layer, cell);
      this.#model.rotate(key, positions[entry] as number, keys, entry * keyWidth);
    });
    return { cells, positions, keys };
  }

  #attend(
    layer: number,
    position: number,
    query: Float64Array,
    view: View,
    report: (weights: Float64Array) => void,
  ): Float64Array {
    const { heads, kvHeads, kv } = this.#model.info;
    const { headDim } = this.#model;
    const result = new Float64Array(heads * headDim);
    const weights = new Float64Array(view.cells.length);
    const values = this.#cells.values[layer] as Float32Array;
    const seen: number[] = [];
    view.positions.forEach((other, entry) => {
      if (this.#sees(layer, position, other)) seen.push(entry);
    });
    for (let head = 0; head < heads; head++) {
      const shared = Math.floor((head * kvHeads) / heads) * headDim;
      const own = head * headDim;
      let best = -Infinity;
      for (const entry of seen) {
        const at = entry * kv.keyWidth + shared;
        let score = 0;
        for (let i = 0; i < headDim; i++) {
          score += (query[own + i] as number) * (view.keys[at + i] as number);
        }
        score /= Math.sqrt(headDim);
        weights[entry] = score;
        if (score > best) best = score;
      }
      let total = 0;
      for (const entry of seen) {
        const weight = Math.exp((weights[entry] as number) - best);
        weights[entry] = weight;
        total += weight;
      }
      for (const entry of seen) {
        const weight = (weights[entry] as number) / total;
        weights[entry] = weight;
        const at = (view.cells[entry] as number) * kv.valueWidth + shared;
        for (let i = 0; i < headDim; i++) {
          result[own + i] = (result[own + i] as number) + weight * (values[at + i] as number);
        }
      }
      report(weights);
    }
    return result;
  }

  #losses(): Float32Array {
    const losses = new Float32Array(this.rows.length).fill(NaN);
    for (let row = 0; row + 1 < this.rows.length; row++) {
      const here = this.rows[row] as Row;
      const next = this.rows[row + 1] as Row;
      if (!here.append || next.group !== here.group) continue;
      const logits = this.#model.logits(this.#x[row] as Float64Array);
      let best = -Infinity;
      for (const logit of logits) if (logit > best) best = logit;
      let total = 0;
      for (const logit of logits) total += Math.exp(logit - best);
      losses[row] = best + Math.log(total) - (logits[next.token] as number);
    }
    return losses;
  }
}

function distance(a: Float64Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return sum;
}
