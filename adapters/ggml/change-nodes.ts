import type { Graph } from './graph.js';
import type { TensorPtr } from './native/pointer.js';
import {
  keyMagnitude,
  type LayerCells,
  type LayerTap,
  type ModelParts,
  rotate,
} from './transformer.js';

/** Which rows of a piece are compared with their cells, and which spans they are summed over. */
export interface ChangeSpec {
  /** Rows of the piece. */
  readonly rows: Int32Array;
  readonly spans: number;
  /** Of each row the number of its span. */
  readonly span: Int32Array;
}

/** Of one layer: `[spans][width]` sums over rows, keys un-rotated. */
export interface ChangeSums {
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** Nodes that a layer takes at most. */
export const changeNodes = 24;

/** Adds the nodes that sum by how much rows differ from what their cells hold, before that is overwritten. */
export class ChangeNodes {
  readonly #graph: Graph;
  readonly #model: ModelParts;
  readonly #spec: ChangeSpec;
  readonly #rows: TensorPtr;
  readonly #cells: TensorPtr;
  readonly #back: TensorPtr;
  readonly #members: TensorPtr;
  readonly #sums: { readonly keys: TensorPtr; readonly values: TensorPtr }[] = [];

  constructor(graph: Graph, model: ModelParts, spec: ChangeSpec) {
    this.#graph = graph;
    this.#model = model;
    this.#spec = spec;
    const count = spec.rows.length;
    this.#rows = graph.input('I32', count);
    this.#cells = graph.input('I32', count);
    this.#back = graph.input('I32', count);
    this.#members = graph.input('F32', count, spec.spans);
  }

  add(layer: number, tap: LayerTap, cells: LayerCells): void {
    const { ggml, ctx } = this.#graph;
    const { hp } = this.#model;
    const count = this.#spec.rows.length;
    const change = (fresh: TensorPtr, held: TensorPtr): TensorPtr =>
      ggml.sub(ctx, ggml.getRows(ctx, fresh, this.#rows), ggml.getRows(ctx, held, this.#cells));
    const sum = (rows: TensorPtr): TensorPtr => {
      const columns = ggml.cont(ctx, ggml.transpose(ctx, rows));
      return this.#graph.output(ggml.mulMat(ctx, columns, this.#members));
    };
    const heads = ggml.reshape3d(ctx, change(tap.key, cells.keys), hp.headDim, hp.kvHeads, count);
    const magnitude = 1 / keyMagnitude(hp, layer);
    const turned = rotate(this.#graph, this.#model, layer, heads, this.#back, magnitude);
    this.#sums.push({
      keys: sum(ggml.reshape2d(ctx, turned, hp.headDim * hp.kvHeads, count)),
      values: sum(change(tap.value, cells.values)),
    });
  }

  /** @param cells of the piece's rows, with their positions. */
  set(cells: Int32Array, positions: Int32Array): void {
    const { rows, span, spans } = this.#spec;
    const members = new Float32Array(rows.length * spans);
    for (const [i, number] of span.entries()) members[number * rows.length + i] = 1;
    this.#graph.set(this.#rows, rows);
    this.#graph.set(
      this.#cells,
      rows.map((row) => cells[row] as number),
    );
    this.#graph.set(
      this.#back,
      rows.map((row) => -(positions[row] as number)),
    );
    this.#graph.set(this.#members, members);
  }

  /** For each layer of the graph. */
  read(): ChangeSums[] {
    const { hp } = this.#model;
    const { spans } = this.#spec;
    const width = hp.headDim * hp.kvHeads;
    return this.#sums.map(({ keys, values }) => ({
      keys: this.#graph.floats(keys, spans * width),
      values: this.#graph.floats(values, spans * width),
    }));
  }
}
