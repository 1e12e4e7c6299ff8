import { InvalidArgumentError } from '../../lib/errors.js';
import type { Span } from '../../lib/engine/span.js';
import type {
  DeviationResult,
  ForwardResult,
  GroupAttention,
  HiddenResult,
  LayerOutputs,
  LayerResult,
} from '../../lib/engine/forward.js';
import { ChangeMeans } from './change-sums.js';
import type { LoadedModel } from './model.js';
import type { PieceData, PieceResult, PieceSpec, ProbeSpec } from './row-program.js';
import { checkLayers, checkSpan, type GroupRows, joiningRows, type Rows } from './rows.js';

/** Rows that go through the output head, and what is wanted of them. */
export interface HeadRequest {
  /** Ascending. */
  readonly rows: Int32Array;
  readonly logits: boolean;
  /** Those of `rows` whose logits are returned, ascending. */
  readonly logitRows: Int32Array;
  readonly losses: boolean;
}

interface PiecePlan {
  readonly spec: Pick<PieceSpec, 'probes' | 'deviation' | 'hidden' | 'head' | 'change'>;
  readonly data: Pick<PieceData, 'targets' | 'spanCells'>;
  collect(result: PieceResult): void;
}

/** One asking group's sums while pieces come in. */
interface Asking {
  readonly number: number;
  readonly group: GroupRows;
  /** Cell of each entry, the group's own rows last. */
  readonly cells: Int32Array;
  readonly byEntry: Float32Array;
  readonly bySpan: Float32Array | undefined;
}

/** Plans what each piece returns and puts the pieces' results together by row number. */
export class Collector {
  readonly #model: LoadedModel;
  readonly #rows: Rows;
  readonly #outputs: LayerOutputs;
  /** Place of each row among the live ones. */
  readonly #place: Int32Array;
  readonly #live: number;
  readonly #asking: Asking[] = [];
  #attentionLayers: readonly number[] = [];
  readonly #deviation: DeviationResult | undefined;
  readonly #hidden: HiddenResult | undefined;
  readonly #logits: { rows: Int32Array; values: Float32Array } | undefined;
  readonly #losses: Float32Array | undefined;
  #change: ChangeMeans | undefined;

  constructor(
    model: LoadedModel,
    rows: Rows,
    live: Int32Array,
    outputs: LayerOutputs,
    head: HeadRequest | undefined,
  ) {
    this.#model = model;
    this.#rows = rows;
    this.#outputs = outputs;
    this.#live = live.length;
    this.#place = new Int32Array(rows.count).fill(-1);
    Int32Array.from(live)
      .sort()
      .forEach((row, i) => {
        this.#place[row] = i;
      });
    const { width, vocabSize } = model.hp;
    if (outputs.deviation) {
      const size = outputs.deviation.length * this.#live;
      this.#deviation = {
        layers: [...outputs.deviation],
        keys: new Float32Array(size).fill(Number.NaN),
        values: new Float32Array(size).fill(Number.NaN),
      };
    }
    if (outputs.hidden) {
      for (const span of outputs.hidden.pool ?? []) this.#checkPool(span);
      this.#hidden = {
        layers: [...outputs.hidden.layers],
        values: new Float32Array(outputs.hidden.layers.length * this.#live * width).fill(
          Number.NaN,
        ),
      };
    }
    if (head?.logits) {
      this.#logits = {
        rows: head.logitRows,
        values: new Float32Array(head.logitRows.length * vocabSize),
      };
    }
    if (head?.losses) this.#losses = new Float32Array(rows.count).fill(Number.NaN);
  }

  /** Checks the request against the layers that are about to be computed, and lays out the sums. */
  checkLayers(from: number, to: number): void {
    const { attention, deviation, hidden, change } = this.#outputs;
    if (change) {
      const { keyWidth, valueWidth } = this.#model.info.kv;
      const widths = { key: keyWidth, value: valueWidth };
      const live = at(this.#place, (place) => place >= 0);
      this.#change = new ChangeMeans(change, this.#rows, live, { from, to }, widths);
    }
    checkLayers(deviation ?? [], to, from);
    checkLayers(hidden?.layers ?? [], to, from);
    if (!attention) return;
    const layers =
      attention.layers ??
      this.#model.info.probeLayers.filter((layer) => layer >= from && layer < to);
    checkLayers(layers, to, from);
    if (layers.length === 0) throw new InvalidArgumentError('Attention is asked for of no layer.');
    this.#attentionLayers = layers;
    const { groups } = this.#rows;
    const numbers =
      attention.groups ?? [...groups.keys()].filter((i) => groups[i]?.kind === 'append');
    for (const number of new Set(numbers)) {
      const group = groups[number];
      if (!group) throw new InvalidArgumentError(`There is no group ${number} in the batch.`);
      this.#asking.push(this.#layOut(number, group));
    }
  }

  #checkPool(span: Span): void {
    checkSpan(span, this.#rows.count);
    if (span.start === span.end) throw new InvalidArgumentError('An empty span has no mean.');
    for (let row = span.start; row < span.end; row++) {
      if ((this.#place[row] as number) < 0) {
        throw new InvalidArgumentError(`Row ${row} is not among the live rows.`);
      }
    }
  }

  #layOut(number: number, group: GroupRows): Asking {
    const { attention } = this.#outputs;
    const held = group.sequence.state.cells;
    const joining = joiningRows(this.#rows, group.sequence);
    const cells = new Int32Array(held.length + joining.length);
    cells.set(held);
    joining.forEach((row, i) => {
      cells[held.length + i] = this.#rows.cells[row] as number;
    });
    for (const span of attention?.spans ?? []) checkSpan(span, cells.length);
    const layers = attention?.perLayer ? this.#attentionLayers.length : 1;
    const spans = attention?.spans?.length ?? 0;
    return {
      number,
      group,
      cells,
      byEntry: new Float32Array(layers * cells.length),
      bySpan: attention?.spans && new Float32Array(layers * group.count * spans),
    };
  }

  planPiece(
    piece: Int32Array,
    from: number,
    to: number,
    span: number,
    head: HeadRequest | undefined,
  ): PiecePlan {
    const within = (layer: number): boolean => layer >= from && layer < to;
    const layers = this.#attentionLayers.filter(within);
    const asking = layers.length ? this.#askingIn(piece) : [];
    const { attention } = this.#outputs;
    const probes = asking.map(({ rows }): ProbeSpec => ({
      layers,
      perLayer: attention?.perLayer ?? false,
      rows: rows.length === piece.length ? undefined : rows,
      rowCount: rows.length,
      spans: attention?.spans?.length ?? 0,
    }));
    const compared = (this.#deviation?.layers ?? []).filter(within);
    const refreshed = at(piece, (row) => (this.#rows.entry[row] as number) >= 0);
    const hidden = (this.#hidden?.layers ?? []).filter(within);
    const change = this.#change?.specOf(piece);
    const wanted = new Set(head?.rows);
    const headRows = at(piece, (row) => wanted.has(row));
    const headNumbers = headRows.map((i) => piece[i] as number);
    return {
      spec: {
        probes,
        hidden,
        ...(change && { change }),
        ...(compared.length > 0 &&
          refreshed.length > 0 && { deviation: { layers: compared, rows: refreshed } }),
        ...(head &&
          headRows.length > 0 && {
            head: {
              rows: headRows.length === piece.length ? undefined : headRows,
              logits: head.logits,
              targets: head.losses,
            },
          }),
      },
      data: {
        spanCells: asking.map(({ ask }) => this.#spanCells(ask, span)),
        ...(head?.losses && { targets: this.targetsOf(headNumbers) }),
      },
      collect: (result) => {
        asking.forEach(({ ask, rows }, i) =>
          this.#collectAttention(ask, piece, rows, layers, i, result),
        );
        if (refreshed.length > 0) this.#collectDeviation(piece, refreshed, compared, result);
        this.#change?.collect(from, result.change);
        hidden.forEach((layer, i) => this.#collectHidden(piece, layer, result.hidden[i]));
        if (headRows.length > 0) this.collectHead(headNumbers, result);
      },
    };
  }

  #askingIn(piece: Int32Array): { ask: Asking; rows: Int32Array }[] {
    return this.#asking
      .map((ask) => ({
        ask,
        rows: at(piece, (row) => row >= ask.group.start && row < ask.group.start + ask.group.count),
      }))
      .filter(({ rows }) => rows.length > 0);
  }

  #spanCells(ask: Asking, span: number): Float32Array | undefined {
    const spans = this.#outputs.attention?.spans;
    if (!spans?.length) return undefined;
    const ones = new Float32Array(spans.length * span);
    spans.forEach(({ start, end }, i) => {
      for (let entry = start; entry < end; entry++) {
        const cell = ask.cells[entry] as number;
        // None of the rows sees what is beyond.
        if (cell < span) ones[i * span + cell] = 1;
      }
    });
    return ones;
  }

  #collectAttention(
    ask: Asking,
    piece: Int32Array,
    rows: Int32Array,
    layers: readonly number[],
    probe: number,
    result: PieceResult,
  ): void {
    const perLayer = this.#outputs.attention?.perLayer ?? false;
    const slot = (i: number): number =>
      perLayer ? this.#attentionLayers.indexOf(layers[i] as number) : 0;
    result.attention[probe]?.forEach((byCell, i) => {
      const offset = slot(i) * ask.cells.length;
      ask.cells.forEach((cell, entry) => {
        const index = offset + entry;
        ask.byEntry[index] = (ask.byEntry[index] as number) + (byCell[cell] ?? 0);
      });
    });
    const spans = this.#outputs.attention?.spans?.length ?? 0;
    const { bySpan } = ask;
    if (!bySpan) return;
    result.spanAttention[probe]?.forEach((values, i) => {
      rows.forEach((inPiece, r) => {
        const row = (piece[inPiece] as number) - ask.group.start;
        const offset = (slot(i) * ask.group.count + row) * spans;
        for (let s = 0; s < spans; s++) {
          bySpan[offset + s] = (bySpan[offset + s] as number) + (values[r * spans + s] as number);
        }
      });
    });
  }

  #collectDeviation(
    piece: Int32Array,
    refreshed: Int32Array,
    layers: readonly number[],
    result: PieceResult,
  ): void {
    const all = this.#deviation;
    if (!all) return;
    layers.forEach((layer, i) => {
      const offset = all.layers.indexOf(layer) * this.#live;
      refreshed.forEach((inPiece, r) => {
        const index = offset + (this.#place[piece[inPiece] as number] as number);
        all.keys[index] = result.deviation[i]?.keys[r] as number;
        all.values[index] = result.deviation[i]?.values[r] as number;
      });
    });
  }

  #collectHidden(piece: Int32Array, layer: number, values: Float32Array | undefined): void {
    const all = this.#hidden;
    if (!all || !values) return;
    const { width } = this.#model.hp;
    const offset = all.layers.indexOf(layer) * this.#live * width;
    piece.forEach((row, i) => {
      const place = offset + (this.#place[row] as number) * width;
      all.values.set(values.subarray(i * width, (i + 1) * width), place);
    });
  }

  /** Successor of each row in its group; any token where there is none. */
  targetsOf(rows: Int32Array): Int32Array {
    return rows.map((row) =>
      this.#hasSuccessor(row) ? (this.#rows.tokens[row + 1] as number) : 0,
    );
  }

  #hasSuccessor(row: number): boolean {
    const group = this.#rows.groups[this.#rows.group[row] as number] as GroupRows;
    return group.kind === 'append' && row + 1 < group.start + group.count;
  }

  collectHead(rows: Int32Array, result: PieceResult): void {
    const { vocabSize } = this.#model.hp;
    const { logits, probabilities } = result;
    rows.forEach((row, i) => {
      if (logits && this.#logits) {
        const slot = this.#logits.rows.indexOf(row);
        const values = logits.subarray(i * vocabSize, (i + 1) * vocabSize);
        if (slot >= 0) this.#logits.values.set(values, slot * vocabSize);
      }
      if (probabilities && this.#losses && this.#hasSuccessor(row)) {
        // A probability that underflowed is counted as the smallest that a float can hold.
        this.#losses[row] = -Math.log(Math.max(probabilities[i] as number, 1.4e-45));
      }
    });
  }

  layerResult(): LayerResult {
    const { attention } = this.#outputs;
    return {
      ...(attention && {
        attention: this.#asking.map(({ number, byEntry, bySpan }): GroupAttention => ({
          group: number,
          layers: [...this.#attentionLayers],
          byEntry,
          ...(bySpan && { bySpan }),
        })),
      }),
      ...(this.#deviation && { deviation: this.#deviation }),
      ...(this.#hidden && { hidden: this.#pooled(this.#hidden) }),
      ...(this.#change && { change: this.#change.result }),
    };
  }

  forwardResult(): ForwardResult {
    return {
      ...this.layerResult(),
      ...(this.#logits && { logits: this.#logits }),
      ...(this.#losses && { losses: this.#losses }),
    };
  }

  #pooled(hidden: HiddenResult): HiddenResult {
    const pool = this.#outputs.hidden?.pool;
    if (!pool) return hidden;
    const { width } = this.#model.hp;
    const values = new Float32Array(hidden.layers.length * pool.length * width);
    hidden.layers.forEach((_, layer) => {
      pool.forEach(({ start, end }, p) => {
        const to = (layer * pool.length + p) * width;
        for (let row = start; row < end; row++) {
          const from = (layer * this.#live + (this.#place[row] as number)) * width;
          for (let i = 0; i < width; i++) {
            values[to + i] =
              (values[to + i] as number) + (hidden.values[from + i] as number) / (end - start);
          }
        }
      });
    });
    return { layers: hidden.layers, values };
  }
}

/** Places in a piece whose row passes a test. */
function at(piece: Int32Array, test: (row: number) => boolean): Int32Array {
  const found: number[] = [];
  piece.forEach((row, i) => {
    if (test(row)) found.push(i);
  });
  return Int32Array.from(found);
}
