import type { Architecture } from './architectures.js';
import type { Graph } from './graph.js';
import { type Hyperparameters, type Rope, ropeMagnitude } from './hyperparameters.js';
import { GgmlType } from './native/ggml.js';
import type { TensorPtr } from './native/pointer.js';
import type { LayerWeights, Weights } from './weights.js';

/** What the graph of a model is built from. */
export interface ModelParts {
  readonly architecture: Architecture;
  readonly hp: Hyperparameters;
  readonly weights: Weights;
}

/** `[keyWidth, cells]` keys and `[valueWidth, cells]` values of one layer, half precision. */
export interface LayerCells {
  readonly keys: TensorPtr;
  readonly values: TensorPtr;
}

/** The inputs that all layers of one graph share. */
export interface RowInputs {
  /** Rows of the batch. */
  readonly rows: number;
  /** `[rows]` positions. */
  readonly positions: TensorPtr;
  /** `[rows]` cells that the rows' keys and values are written to. */
  readonly cells: TensorPtr;
  /** Cells that are looked at: the first `span` of the arena. */
  readonly span: number;
  /** `[span, maskRows]`, 0 where a row may look and -infinity elsewhere. */
  readonly mask: TensorPtr;
  readonly slidingMask: TensorPtr | undefined;
  /** Query rows are padded to this number inside attention, so that a batch's split does not matter. */
  readonly maskRows: number;
}

/** Some of the rows. */
export interface Keep {
  /** `[count]` numbers of rows. */
  readonly rows: TensorPtr;
  readonly count: number;
  /** Query rows are padded to this number, see {@link RowInputs.maskRows}. */
  readonly maskRows: number;
}

/** What a layer hands to a probe, before its keys and values are written. */
export interface LayerTap {
  /** `[headDim, heads, rows]`, rotated (and scaled, where the architecture scales queries). */
  readonly query: TensorPtr;
  /** `[keyWidth, rows]`, rotated. */
  readonly key: TensorPtr;
  /** `[valueWidth, rows]`. */
  readonly value: TensorPtr;
}

const ACCUMULATE_F32 = 10;

/** Rotates `[headDim, heads, rows]` to positions, or by them. */
export function rotate(
  graph: Graph,
  { hp, weights }: Pick<ModelParts, 'hp' | 'weights'>,
  layer: number,
  tensor: TensorPtr,
  positions: TensorPtr,
  /** Factor of the result's length; default the model's own, as for fresh keys. */
  magnitude?: number,
): TensorPtr {
  const { rope } = hp;
  const kind = ropeOfLayer(hp, layer);
  const yarn = rope.extFactor === 0 ? 1 : 1 + 0.1 * Math.log(1 / kind.scale);
  const attnFactor = magnitude === undefined ? rope.attnFactor : magnitude / yarn;
  return graph.ggml.ropeExt(
    graph.ctx,
    tensor,
    positions,
    weights.ropeFactors ?? null,
    rope.dims,
    rope.mode,
    rope.originalContext,
    kind.base,
    kind.scale,
    rope.extFactor,
    attnFactor,
    rope.betaFast,
    rope.betaSlow,
  );
}

/** What rotation multiplies a key's length by in a layer. */
export function keyMagnitude(hp: Hyperparameters, layer: number): number {
  return ropeMagnitude(hp.rope, ropeOfLayer(hp, layer));
}

function ropeOfLayer(hp: Hyperparameters, layer: number): Rope {
  return hp.slidingLayers[layer] ? hp.rope.sliding : hp.rope.full;
}

/** Rows of the embedding table, scaled as the model wants. */
export function buildEmbedding(
  graph: Graph,
  { hp, weights }: ModelParts,
  ids: TensorPtr,
): TensorPtr {
  return scaleEmbedding(
    graph,
    hp,
    graph.ggml.getRows(graph.ctx, weights.embedding as TensorPtr, ids),
  );
}

export function scaleEmbedding(graph: Graph, hp: Hyperparameters, x: TensorPtr): TensorPtr {
  return hp.embeddingScale === 1 ? x : graph.ggml.scale(graph.ctx, x, hp.embeddingScale);
}

/**
 * One transformer layer over `x` (`[width, rows]`). Writes the rows' keys and values to their cells, then
 * attends over the cells.
 */
export function buildLayer(
  graph: Graph,
  model: ModelParts,
  layer: number,
  x: TensorPtr,
  inputs: RowInputs,
  cells: LayerCells,
  options: {
    /** Called with the fresh tensors before they are written; may add nodes. */
    tap?: ((tap: LayerTap) => void) | undefined;
    /** Called once the keys are in their cells. */
    probe?: ((tap: LayerTap) => void) | undefined;
    /** Rows that go on once the keys and values of all are written; only for the last layer. */
    keep?: Keep | undefined;
    /** The layer's output is not wanted, only what the probe takes. */
    stop?: boolean;
  } = {},
): TensorPtr {
  const { ggml, ctx } = graph;
  const { architecture, hp } = model;
  const w = model.weights.layers[layer] as LayerWeights;
  const keyWidth = hp.kvHeads * hp.headDim;

  const normed = norm(graph, hp, x, w.attentionNorm);
  const tap = project(graph, model, layer, w, normed, inputs);
  options.tap?.(tap);
  graph.expand(ggml.setRows(ctx, cells.keys, tap.key, inputs.cells));
  graph.expand(ggml.setRows(ctx, cells.values, tap.value, inputs.cells));
  options.probe?.(tap);
  if (options.stop) return x;

  const { keep } = options;
  const asking = keep ? keptRows(graph, hp, layer, tap.query, inputs, keep) : inputs;
  let query = keep ? (asking as KeptRows).query : tap.query;
  if (asking.maskRows > asking.rows) {
    query = ggml.pad(ctx, query, 0, 0, asking.maskRows - asking.rows, 0);
  }
  const attended = ggml.flashAttn(
    ctx,
    ggml.permute(ctx, query, 0, 2, 1, 3),
    headsOf(graph, cells.keys, hp, inputs.span, keyWidth),
    headsOf(graph, cells.values, hp, inputs.span, keyWidth),
    (hp.slidingLayers[layer] ? asking.slidingMask : undefined) ?? asking.mask,
    hp.scaleQueries ? 1 : hp.attentionScale,
    0,
    hp.attentionSoftcap,
  );
  ggml.precSetAcc(attended, ACCUMULATE_F32);
  const width = hp.heads * hp.headDim;
  let out =
    asking.maskRows > asking.rows
      ? ggml.view2d(ctx, attended, width, asking.rows, width * 4, 0)
      : ggml.reshape2d(ctx, attended, width, asking.rows);
  out = ggml.mulMat(ctx, w.output, out);
  if (w.outputBias) out = ggml.add(ctx, out, w.outputBias);
  const residual = keep ? ggml.getRows(ctx, x, keep.rows) : x;
  if (w.attentionPostNorm) out = norm(graph, hp, out, w.attentionPostNorm);
  const middle = ggml.add(ctx, out, residual);

  let fed = feedForward(graph, architecture, w, norm(graph, hp, middle, w.feedForwardNorm));
  if (w.feedForwardPostNorm) fed = norm(graph, hp, fed, w.feedForwardPostNorm);
  return ggml.add(ctx, fed, middle);
}

type KeptRows = Pick<RowInputs, 'rows' | 'maskRows' | 'mask' | 'slidingMask'> & {
  readonly query: TensorPtr;
};

/** Queries and mask of the rows that go on. */
function keptRows(
  graph: Graph,
  hp: Hyperparameters,
  layer: number,
  query: TensorPtr,
  inputs: RowInputs,
  { rows, count, maskRows }: Keep,
): KeptRows {
  const { ggml, ctx } = graph;
  const width = hp.heads * hp.headDim;
  const flat = ggml.getRows(ctx, ggml.reshape2d(ctx, query, width, inputs.rows), rows);
  let mask = (hp.slidingLayers[layer] ? inputs.slidingMask : undefined) ?? inputs.mask;
  mask = ggml.getRows(ctx, mask, rows);
  if (maskRows > count) mask = ggml.pad(ctx, mask, 0, maskRows - count, 0, 0);
  mask = ggml.cast(ctx, mask, GgmlType.F16);
  return {
    query: ggml.reshape3d(ctx, flat, hp.headDim, hp.heads, count),
    rows: count,
    maskRows,
    mask,
    slidingMask: mask,
  };
}

/** Queries, keys and values of the rows, rotated to their positions. */
function project(
  graph: Graph,
  model: ModelParts,
  layer: number,
  w: LayerWeights,
  normed: TensorPtr,
  inputs: RowInputs,
): LayerTap {
  const { ggml, ctx } = graph;
  const { hp } = model;
  const { rows } = inputs;
  const linear = (weight: TensorPtr, bias: TensorPtr | undefined): TensorPtr => {
    const product = ggml.mulMat(ctx, weight, normed);
    return bias ? ggml.add(ctx, product, bias) : product;
  };
  let query = ggml.reshape3d(ctx, linear(w.query, w.queryBias), hp.headDim, hp.heads, rows);
  let key = ggml.reshape3d(ctx, linear(w.key, w.keyBias), hp.headDim, hp.kvHeads, rows);
  const value = linear(w.value, w.valueBias);
  if (w.queryNorm) query = norm(graph, hp, query, w.queryNorm);
  if (w.keyNorm) key = norm(graph, hp, key, w.keyNorm);
  query = rotate(graph, model, layer, query, inputs.positions);
  key = rotate(graph, model, layer, key, inputs.positions);
  if (hp.scaleQueries) query = ggml.scale(ctx, query, hp.attentionScale);
  return { query, key: ggml.reshape2d(ctx, key, hp.kvHeads * hp.headDim, rows), value };
}

/** `[headDim, span, kvHeads]` view of a layer's cells. */
export function headsOf(
  graph: Graph,
  cells: TensorPtr,
  hp: Hyperparameters,
  span: number,
  width: number,
): TensorPtr {
  const { ggml, ctx } = graph;
  const view = ggml.view3d(ctx, cells, hp.headDim, hp.kvHeads, span, hp.headDim * 2, width * 2, 0);
  return ggml.permute(ctx, view, 0, 2, 1, 3);
}

function feedForward(
  graph: Graph,
  architecture: Architecture,
  w: LayerWeights,
  x: TensorPtr,
): TensorPtr {
  const { ggml, ctx } = graph;
  let up = ggml.mulMat(ctx, w.up, x);
  if (w.upBias) up = ggml.add(ctx, up, w.upBias);
  let gate = ggml.mulMat(ctx, w.gate, x);
  if (w.gateBias) gate = ggml.add(ctx, gate, w.gateBias);
  const gated =
    architecture.activation === 'gelu'
      ? ggml.gegluSplit(ctx, gate, up)
      : ggml.swigluSplit(ctx, gate, up);
  const down = ggml.mulMat(ctx, w.down, gated);
  return w.downBias ? ggml.add(ctx, down, w.downBias) : down;
}

function norm(graph: Graph, hp: Hyperparameters, x: TensorPtr, weight: TensorPtr): TensorPtr {
  return graph.ggml.mul(graph.ctx, graph.ggml.rmsNorm(graph.ctx, x, hp.normEps), weight);
}

/** `[vocabSize, rows]` logits of the last layer's output. */
export function buildHead(graph: Graph, { hp, weights }: ModelParts, x: TensorPtr): TensorPtr {
  const { ggml, ctx } = graph;
  let logits = ggml.mulMat(ctx, weights.output, norm(graph, hp, x, weights.outputNorm));
  if (weights.outputBias) logits = ggml.add(ctx, logits, weights.outputBias);
  if (hp.logitSoftcap) {
    logits = ggml.scale(ctx, logits, 1 / hp.logitSoftcap);
    logits = ggml.tanh(ctx, logits);
    logits = ggml.scale(ctx, logits, hp.logitSoftcap);
  }
  return logits;
}
