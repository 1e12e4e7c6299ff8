import type { Backend } from './backend.js';
import { changeNodes, ChangeNodes, type ChangeSpec, type ChangeSums } from './change-nodes.js';
import { type Allocator, Graph } from './graph.js';
import type { TensorPtr } from './native/pointer.js';
import {
  buildEmbedding,
  buildHead,
  buildLayer,
  headsOf,
  type Keep,
  keyMagnitude,
  type LayerCells,
  type LayerTap,
  type ModelParts,
  scaleEmbedding,
} from './transformer.js';

/** One graph: some rows through some layers. Row numbers here count within the piece. */
export interface PieceSpec {
  readonly rows: number;
  /** Cells that are looked at. */
  readonly span: number;
  readonly from: number;
  readonly to: number;
  /** `[width, rows of the pass]`, where rows rest between two pieces of layers. */
  readonly residual?: TensorPtr | undefined;
  /** Leave the rows in `residual` after the last layer of the piece. */
  readonly store: boolean;
  /** Embeddings come as numbers, since the device cannot look them up. */
  readonly embedded: boolean;
  readonly head?: HeadSpec | undefined;
  readonly probes: readonly ProbeSpec[];
  /** The rows are given up when the pass has come to its end: by this piece, unless it stores them. */
  readonly probing?: boolean;
  readonly deviation?:
    | { readonly layers: readonly number[]; readonly rows: Int32Array }
    | undefined;
  /** Layers after which the rows are wanted. */
  readonly hidden: readonly number[];
  readonly change?: ChangeSpec | undefined;
}

export interface HeadSpec {
  /** Rows that go through the output head; undefined for all. */
  readonly rows: Int32Array | undefined;
  /** Also the probability of a given token for each of them. */
  readonly targets: boolean;
  readonly logits: boolean;
}

/** Attention of some rows, which all belong to one sequence. */
export interface ProbeSpec {
  readonly layers: readonly number[];
  readonly perLayer: boolean;
  /** Rows that ask; undefined for all. */
  readonly rows: Int32Array | undefined;
  readonly rowCount: number;
  /** Number of spans whose mass is wanted. */
  readonly spans: number;
}

/** Values of a piece's inputs. */
export interface PieceData {
  readonly tokens?: Int32Array;
  /** `[rows][width]`, instead of tokens. */
  readonly embeddings?: Float32Array;
  readonly positions: Int32Array;
  readonly cells: Int32Array;
  /** `[maskRows][span]`. */
  readonly mask: Uint16Array;
  readonly slidingMask?: Uint16Array | undefined;
  /** Row numbers in the residual. */
  readonly live?: Int32Array;
  /** For each head row, the token whose probability is wanted. */
  readonly targets?: Int32Array;
  /** For each probe, `[spans][span]` ones and zeros. */
  readonly spanCells?: readonly (Float32Array | undefined)[];
}

export interface PieceResult {
  readonly logits?: Float32Array;
  /** Probability of the target of each head row. */
  readonly probabilities?: Float32Array;
  /** For each probe and each of its layers (one, when summed): `[span]`. */
  readonly attention: readonly (readonly Float32Array[])[];
  /** Likewise `[rows][spans]`, summed over heads. */
  readonly spanAttention: readonly (readonly Float32Array[])[];
  /** For each deviation layer: squared distances of keys (un-rotated) and values by row. */
  readonly deviation: readonly { readonly keys: Float32Array; readonly values: Float32Array }[];
  /** For each hidden layer: `[rows][width]`. */
  readonly hidden: readonly Float32Array[];
  /** For each layer. */
  readonly change: readonly ChangeSums[];
}

/**
 * Rows inside attention are padded to this many on the CPU: below it ggml takes another path, whose sums
 * differ in the last bits, and answers would depend on how a batch was split.
 */
const MIN_ATTENTION_ROWS = 64;

/** From here on the path of many rows is also the faster one, by a third with 3,400 cells and 30 rows. */
const FASTER_ROWS = 17;

/** Query rows that attention is computed for. */
export function attentionRows(rows: number, backend: Backend, probing: boolean): number {
  // A probe leaves nothing behind whose last bits could matter later.
  const least = probing ? FASTER_ROWS : 2;
  const pads = rows >= least && rows < MIN_ATTENTION_ROWS && backend.isCpu;
  return pads ? MIN_ATTENTION_ROWS : rows;
}

/** A graph for a {@link PieceSpec}, which can be computed again with other values of the same shape. */
export class RowProgram {
  readonly spec: PieceSpec;
  readonly #model: ModelParts;
  readonly #backend: Backend;
  readonly #graph: Graph;
  readonly #positions: TensorPtr | undefined;
  readonly #cells: TensorPtr | undefined;
  readonly #mask: TensorPtr | undefined;
  readonly #slidingMask: TensorPtr | undefined;
  #tokens: TensorPtr | undefined;
  #embeddings: TensorPtr | undefined;
  #live: TensorPtr | undefined;
  #liveTargets: TensorPtr | undefined;
  #headRows: TensorPtr | undefined;
  #targets: TensorPtr | undefined;
  #deviationRows: TensorPtr | undefined;
  #deviationCells: TensorPtr | undefined;
  #logits: TensorPtr | undefined;
  #probabilities: TensorPtr | undefined;
  #change: ChangeNodes | undefined;
  readonly #probes: Probe[];
  readonly #deviation: { keys: TensorPtr; values: TensorPtr }[] = [];
  readonly #hidden: TensorPtr[] = [];

  constructor(
    backend: Backend,
    model: ModelParts,
    cells: readonly LayerCells[],
    spec: PieceSpec,
    allocator: Allocator,
  ) {
    this.spec = spec;
    this.#model = model;
    this.#backend = backend;
    const layers = spec.to - spec.from;
    const probeNodes = spec.probes.reduce((sum, probe) => sum + 24 + 16 * probe.layers.length, 0);
    const graph = new Graph(
      backend,
      128 + (64 + (spec.change ? changeNodes : 0)) * layers + probeNodes,
    );
    this.#graph = graph;
    try {
      const { hp } = model;
      const maskRows = attentionRows(spec.rows, backend, spec.probing ?? false);
      const inRange = hp.slidingLayers.slice(spec.from, spec.to);
      if (layers > 0) {
        this.#positions = graph.input('I32', spec.rows);
        this.#cells = graph.input('I64', spec.rows);
      }
      const full = inRange.includes(false) ? graph.input('F16', spec.span, maskRows) : undefined;
      const sliding = inRange.includes(true) ? graph.input('F16', spec.span, maskRows) : undefined;
      this.#mask = full;
      this.#slidingMask = sliding;
      const inputs = {
        rows: spec.rows,
        positions: this.#positions as TensorPtr,
        cells: this.#cells as TensorPtr,
        span: spec.span,
        mask: (full ?? sliding) as TensorPtr,
        slidingMask: sliding,
        maskRows,
      };
      if (spec.change && layers > 0) this.#change = new ChangeNodes(graph, model, spec.change);
      this.#probes = spec.probes.map((probe) => new Probe(graph, model, probe, spec));

      let x = this.#source();
      const inlineHead = spec.head && spec.to === hp.layers ? spec.head : undefined;
      if (inlineHead?.rows) this.#headRows = graph.input('I32', inlineHead.rows.length);
      const lastIsWhole =
        spec.store || spec.hidden.includes(spec.to - 1) || !inlineHead || !inlineHead.rows;
      for (let layer = spec.from; layer < spec.to; layer++) {
        const layerCells = cells[layer] as LayerCells;
        const last = layer === spec.to - 1;
        const probes = this.#probes.filter((probe) => probe.spec.layers.includes(layer));
        const mask = (hp.slidingLayers[layer] ? sliding : full) as TensorPtr;
        x = buildLayer(graph, model, layer, x, inputs, layerCells, {
          tap: (tap) => {
            if (spec.deviation?.layers.includes(layer)) this.#compare(tap, layerCells);
            this.#change?.add(layer, tap, layerCells);
          },
          probe: probes.length
            ? (tap) => probes.forEach((probe) => probe.add(tap, layerCells, mask))
            : undefined,
          keep: last && !lastIsWhole ? this.#keep(inlineHead?.rows?.length ?? 0) : undefined,
          stop: last && spec.probing === true && !spec.store,
        });
        if (spec.hidden.includes(layer)) this.#hidden.push(graph.output(x));
      }
      if (spec.store) {
        graph.expand(
          graph.ggml.setRows(graph.ctx, spec.residual as TensorPtr, x, this.#liveRows64()),
        );
      }
      if (inlineHead) {
        const selected =
          this.#headRows && lastIsWhole ? graph.ggml.getRows(graph.ctx, x, this.#headRows) : x;
        this.#head(inlineHead, selected, inlineHead.rows?.length ?? spec.rows);
      }
      if (!spec.store && !inlineHead && layers > 0 && !spec.probing) graph.expand(x);
      for (const probe of this.#probes) probe.finish();
      graph.allocate(allocator);
    } catch (error) {
      graph.free();
      throw error;
    }
  }

  #source(): TensorPtr {
    const { spec } = this;
    const graph = this.#graph;
    const { hp } = this.#model;
    if (spec.from > 0) {
      this.#live = graph.input('I32', spec.rows);
      return graph.ggml.getRows(graph.ctx, spec.residual as TensorPtr, this.#live);
    }
    if (spec.embedded) {
      this.#embeddings = graph.input('F32', hp.width, spec.rows);
      return scaleEmbedding(graph, hp, this.#embeddings);
    }
    this.#tokens = graph.input('I32', spec.rows);
    return buildEmbedding(graph, this.#model, this.#tokens);
  }

  /** The rows that go through the head, with attention as it is computed for whole pieces. */
  #keep(count: number): Keep {
    const maskRows = attentionRows(Math.max(2, count), this.#backend, false);
    return {
      rows: this.#headRows as TensorPtr,
      count,
      maskRows: this.#backend.isCpu ? maskRows : count,
    };
  }

  #liveRows64(): TensorPtr {
    this.#liveTargets = this.#graph.input('I64', this.spec.rows);
    return this.#liveTargets;
  }

  #head(head: HeadSpec, x: TensorPtr, rows: number): void {
    const graph = this.#graph;
    const { ggml, ctx } = graph;
    const logits = buildHead(graph, this.#model, x);
    if (head.logits) this.#logits = graph.output(logits);
    if (head.targets) {
      this.#targets = graph.input('I32', rows);
      const flat = ggml.reshape2d(
        ctx,
        ggml.softMax(ctx, logits),
        1,
        this.#model.hp.vocabSize * rows,
      );
      this.#probabilities = graph.output(ggml.getRows(ctx, flat, this.#targets));
    }
  }

  /** Squared distance between what the cells hold and what was computed anew, before it is written. */
  #compare(tap: LayerTap, cells: LayerCells): void {
    const graph = this.#graph;
    const { ggml, ctx } = graph;
    const count = (this.spec.deviation as { rows: Int32Array }).rows.length;
    this.#deviationRows ??= graph.input('I32', count);
    this.#deviationCells ??= graph.input('I32', count);
    const rows = this.#deviationRows;
    const held = this.#deviationCells;
    const distance = (fresh: TensorPtr, kept: TensorPtr): TensorPtr => {
      const difference = ggml.sub(
        ctx,
        ggml.getRows(ctx, fresh, rows),
        ggml.getRows(ctx, kept, held),
      );
      return graph.output(ggml.sumRows(ctx, ggml.sqr(ctx, difference)));
    };
    this.#deviation.push({
      keys: distance(tap.key, cells.keys),
      values: distance(tap.value, cells.values),
    });
  }

  /** Sets the inputs, computes, reads the outputs. */
  async run(data: PieceData, signal?: AbortSignal): Promise<PieceResult> {
    const graph = this.#graph;
    const { spec } = this;
    // A graph that is computed again needs all its inputs again: their memory may have been reused.
    if (this.#tokens) graph.set(this.#tokens, data.tokens as Int32Array);
    if (this.#embeddings) graph.set(this.#embeddings, data.embeddings as Float32Array);
    if (this.#positions) graph.set(this.#positions, data.positions);
    if (this.#cells) graph.set(this.#cells, widen(data.cells));
    if (this.#mask) graph.set(this.#mask, data.mask);
    if (this.#slidingMask) graph.set(this.#slidingMask, data.slidingMask as Uint16Array);
    if (this.#live) graph.set(this.#live, data.live as Int32Array);
    if (this.#liveTargets) graph.set(this.#liveTargets, widen(data.live as Int32Array));
    if (this.#headRows) graph.set(this.#headRows, spec.head?.rows as Int32Array);
    if (this.#targets) {
      const vocab = this.#model.hp.vocabSize;
      graph.set(
        this.#targets,
        (data.targets as Int32Array).map((token, row) => row * vocab + token),
      );
    }
    if (this.#deviationRows && this.#deviationCells && spec.deviation) {
      const { rows } = spec.deviation;
      graph.set(this.#deviationRows, rows);
      graph.set(
        this.#deviationCells,
        rows.map((row) => data.cells[row] as number),
      );
    }
    this.#change?.set(data.cells, data.positions);
    this.#probes.forEach((probe, i) => probe.set(data.spanCells?.[i]));
    await this.#backend.compute(graph.pointer, signal);
    return this.#read();
  }

  #read(): PieceResult {
    const graph = this.#graph;
    const { spec } = this;
    const { hp } = this.#model;
    const headRows = spec.head ? (spec.head.rows?.length ?? spec.rows) : 0;
    const compared = spec.deviation?.rows.length ?? 0;
    return {
      ...(this.#logits && { logits: graph.floats(this.#logits, headRows * hp.vocabSize) }),
      ...(this.#probabilities && { probabilities: graph.floats(this.#probabilities, headRows) }),
      attention: this.#probes.map((probe) => probe.byCell()),
      spanAttention: this.#probes.map((probe) => probe.bySpan()),
      deviation: this.#deviation.map(({ keys, values }, i) => {
        const scale = keyMagnitude(hp, spec.deviation?.layers[i] as number) ** 2;
        return {
          keys: graph.floats(keys, compared).map((square) => square / scale),
          values: graph.floats(values, compared),
        };
      }),
      hidden: this.#hidden.map((tensor) => graph.floats(tensor, spec.rows * hp.width)),
      change: this.#change?.read() ?? [],
    };
  }

  free(): void {
    this.#graph.free();
  }
}

/** Adds the nodes that sum one group's attention weights. */
class Probe {
  readonly spec: ProbeSpec;
  readonly #graph: Graph;
  readonly #model: ModelParts;
  readonly #span: number;
  readonly #pieceRows: number;
  readonly #rows: TensorPtr | undefined;
  readonly #spanCells: TensorPtr | undefined;
  #weights: TensorPtr[] = [];
  readonly #byCell: TensorPtr[] = [];
  readonly #bySpan: TensorPtr[] = [];

  constructor(graph: Graph, model: ModelParts, spec: ProbeSpec, piece: PieceSpec) {
    this.spec = spec;
    this.#graph = graph;
    this.#model = model;
    this.#span = piece.span;
    this.#pieceRows = piece.rows;
    this.#rows = spec.rows ? graph.input('I32', spec.rowCount) : undefined;
    this.#spanCells = spec.spans ? graph.input('F32', piece.span, spec.spans) : undefined;
  }

  add(tap: LayerTap, cells: LayerCells, mask: TensorPtr): void {
    const { hp } = this.#model;
    const graph = this.#graph;
    const { ggml, ctx } = graph;
    let { query } = tap;
    let seen = mask;
    if (this.#rows) {
      const flat = ggml.reshape2d(ctx, query, hp.headDim * hp.heads, this.#pieceRows);
      query = ggml.reshape3d(
        ctx,
        ggml.getRows(ctx, flat, this.#rows),
        hp.headDim,
        hp.heads,
        this.spec.rowCount,
      );
      seen = ggml.getRows(ctx, mask, this.#rows);
    }
    const keys = headsOf(graph, cells.keys, hp, this.#span, hp.kvHeads * hp.headDim);
    const scores = ggml.mulMat(ctx, keys, ggml.permute(ctx, query, 0, 2, 1, 3));
    ggml.precSetAcc(scores, 10);
    const weights = ggml.softMaxExt(ctx, scores, seen, hp.scaleQueries ? 1 : hp.attentionScale, 0);
    const before = this.#weights[0];
    if (this.spec.perLayer || !before) this.#weights.push(weights);
    else this.#weights[0] = ggml.add(ctx, before, weights);
  }

  finish(): void {
    const graph = this.#graph;
    const { ggml, ctx } = graph;
    const rows = this.spec.rowCount * this.#model.hp.heads;
    for (const weights of this.#weights) {
      const flat = ggml.reshape2d(ctx, weights, this.#span, rows);
      if (this.#spanCells) {
        this.#bySpan.push(graph.output(ggml.mulMat(ctx, this.#spanCells, flat)));
      }
      const byRow = ggml.cont(ctx, ggml.transpose(ctx, flat));
      this.#byCell.push(graph.output(ggml.sumRows(ctx, byRow)));
    }
    this.#weights = [];
  }

  set(spanCells: Float32Array | undefined): void {
    if (this.#rows) this.#graph.set(this.#rows, this.spec.rows as Int32Array);
    if (this.#spanCells) this.#graph.set(this.#spanCells, spanCells as Float32Array);
  }

  byCell(): Float32Array[] {
    return this.#byCell.map((tensor) => this.#graph.floats(tensor, this.#span));
  }

  bySpan(): Float32Array[] {
    const { rowCount, spans } = this.spec;
    const { heads } = this.#model.hp;
    return this.#bySpan.map((tensor) => {
      // [heads][rows][spans]
      const all = this.#graph.floats(tensor, spans * rowCount * heads);
      const sums = all.slice(0, spans * rowCount);
      for (let at = sums.length; at < all.length; at++) {
        sums[at % sums.length] = (sums[at % sums.length] as number) + (all[at] as number);
      }
      return sums;
    });
  }
}

/** Row indices as the 64-bit integers that ggml's set_rows takes. */
export function widen(values: Int32Array): Int32Array {
  const wide = new Int32Array(values.length * 2);
  for (let i = 0; i < values.length; i++) wide[i * 2] = values[i] as number;
  return wide;
}
