import { InvalidArgumentError, KvMismatchError, StaleCellError } from '../../lib/errors.js';
import type { KvCorrection, RunOptions } from '../../lib/engine/arena.js';
import type { Span } from '../../lib/engine/span.js';
import {
  type ChunkKv,
  layerBytes,
  layerKeys,
  type LayerRange,
  layerValues,
} from '../../lib/engine/chunk-kv.js';
import type { GgmlArena } from './arena.js';
import { Graph } from './graph.js';
import type { TensorPtr } from './native/pointer.js';
import { widen } from './row-program.js';
import type { GgmlSequence } from './sequence.js';
import { keyMagnitude, type LayerCells, rotate } from './transformer.js';

/** Layers in one graph of row copies: bounds the memory of what is read back. */
const LAYERS_AT_ONCE = 8;
/**
 * Copies go on this long before another caller's compute is let in: a group of layers takes a fraction of a
 * decode step, and a prompt of many chunks would wait for hundreds of those.
 */
const TURN_MS = 20;
const LARGEST_CORRECTION = 10_000;

/**
 * Runs a graph over groups of layers. `build` adds a layer's nodes and returns how its inputs are set and
 * its outputs are read.
 */
async function overLayers(
  arena: GgmlArena,
  range: LayerRange,
  options: RunOptions,
  build: (graph: Graph, layer: number, cells: LayerCells) => { set?(): void; read?(): void },
): Promise<void> {
  const { backend, queue, scratch } = arena.model;
  const runGroup = async (from: number, to: number): Promise<void> => {
    options.signal?.throwIfAborted();
    const graph = new Graph(backend, 64 + (to - from) * 24);
    try {
      const steps = [];
      for (let layer = from; layer < to; layer++) {
        steps.push(build(graph, layer, arena.layers[layer] as LayerCells));
      }
      graph.allocate(scratch);
      for (const step of steps) step.set?.();
      await backend.compute(graph.pointer, options.signal);
      for (const step of steps) step.read?.();
    } finally {
      graph.free();
    }
    options.onProgress?.((to - range.from) / (range.to - range.from));
  };
  for (let from = range.from; from < range.to;) {
    await queue.run(async () => {
      const start = performance.now();
      do {
        const to = Math.min(range.to, from + LAYERS_AT_ONCE);
        await runGroup(from, to);
        from = to;
      } while (from < range.to && performance.now() - start < TURN_MS);
    }, 'prompt');
  }
}

/** Adds rows of cells, as floats, to a graph: `[width, rows]`. */
function rowsOf(graph: Graph, cells: TensorPtr, ids: TensorPtr): TensorPtr {
  return graph.ggml.getRows(graph.ctx, cells, ids);
}

/** Rotates `[keyWidth, rows]` keys. */
function rotateRows(
  graph: Graph,
  arena: GgmlArena,
  layer: number,
  keys: TensorPtr,
  rows: number,
  positions: TensorPtr,
  magnitude?: number,
): TensorPtr {
  const { hp } = arena.model;
  const heads = graph.ggml.reshape3d(graph.ctx, keys, hp.headDim, hp.kvHeads, rows);
  const rotated = rotate(graph, arena.model, layer, heads, positions, magnitude);
  return graph.ggml.reshape2d(graph.ctx, rotated, hp.headDim * hp.kvHeads, rows);
}

/** Consecutive stretches of cells, as `[first cell, first row, length]`. */
function runs(cells: Int32Array): [number, number, number][] {
  const found: [number, number, number][] = [];
  for (let row = 0; row < cells.length; row++) {
    const last = found.at(-1);
    if (last && (cells[row] as number) === last[0] + last[2]) last[2]++;
    else found.push([cells[row] as number, row, 1]);
  }
  return found;
}

/** Data that were looked through before: the same chunks are spliced again and again. */
const sound = new WeakSet<Uint8Array>();

/** @throws KvMismatchError, InvalidArgumentError */
export function checkKv(arena: GgmlArena, kv: ChunkKv): void {
  const { info } = arena.model;
  const { layout } = kv;
  if (kv.fingerprint !== info.fingerprint) {
    throw new KvMismatchError('The chunk KV was made by another model.');
  }
  const same =
    layout.layers === info.kv.layers &&
    layout.keyWidth === info.kv.keyWidth &&
    layout.valueWidth === info.kv.valueWidth &&
    layout.type === info.kv.type;
  if (!same) throw new KvMismatchError('The chunk KV has another shape than the model.');
  const { from, to } = kv.layers;
  if (
    !Number.isInteger(from) ||
    !Number.isInteger(to) ||
    from < 0 ||
    to <= from ||
    to > layout.layers
  ) {
    throw new KvMismatchError(
      `The chunk KV names the layers ${from} to ${to} of ${layout.layers}.`,
    );
  }
  const expected = layerBytes(layout, kv.tokens.length) * (to - from);
  if (kv.data.byteLength !== expected) {
    throw new KvMismatchError(
      `The chunk KV has ${kv.data.byteLength} bytes instead of ${expected}.`,
    );
  }
  if (!sound.has(kv.data)) {
    if (!isSound(kv.data)) {
      throw new KvMismatchError('The chunk KV holds numbers that no model makes.');
    }
    sound.add(kv.data);
  }
  for (const token of kv.tokens) {
    if (!Number.isInteger(token) || token < 0 || token >= info.vocabSize) {
      throw new KvMismatchError(`The chunk KV names the token ${token}, outside the vocabulary.`);
    }
  }
}

/**
 * Whether all of the halves are below 32,768 in size, so that none is NaN or infinite, or becomes so by
 * rotation: one of those would spread to every sequence of the arena, since masked cells are multiplied too.
 */
function isSound(halves: Uint8Array): boolean {
  const { buffer, byteOffset, length } = halves;
  const words = byteOffset % 4 ? 0 : length >> 2;
  const view = new Int32Array(buffer, words ? byteOffset : 0, words);
  for (let at = 0; at < words; at++) {
    const word = view[at] as number;
    // The highest four bits of the exponent, of both halves at once.
    if (word & (word << 1) & (word << 2) & (word << 3) & 0x40004000) return false;
  }
  for (let at = words * 4 + 1; at < length; at += 2) {
    if (((halves[at] as number) & 0x78) === 0x78) return false;
  }
  return true;
}

/** Writes chunk KV into cells, values as they are, keys rotated to the positions. */
export async function loadKv(
  arena: GgmlArena,
  kv: ChunkKv,
  target: { cells: Int32Array; positions: Int32Array },
  options: RunOptions,
): Promise<void> {
  const { table, model } = arena;
  const { keyWidth, valueWidth } = model.info.kv;
  const { cells, positions } = target;
  // A cell that a pass computes again is loaded beneath it, for layers that the pass has not reached.
  const heldBy = (cell: number): Uint16Array => (table.writing[cell] ? table.loaded : table.ready);
  for (const cell of cells) {
    if ((heldBy(cell)[cell] as number) < kv.layers.from) {
      throw new InvalidArgumentError(
        `Layers below ${kv.layers.from} of these entries were not loaded yet; layers are loaded from 0 upwards.`,
      );
    }
  }
  const before = cells.map((cell) => heldBy(cell)[cell] as number);
  for (const cell of cells) {
    const held = heldBy(cell);
    held[cell] = Math.min(held[cell] as number, kv.layers.from);
  }
  const stretches = runs(cells);
  await overLayers(arena, kv.layers, options, (graph, layer, held) => {
    const { ggml, ctx } = graph;
    const ids = graph.input('I32', cells.length);
    const wide = graph.input('I64', cells.length);
    const at = graph.input('I32', cells.length);
    // Raw keys lie in their cells already when this runs; they are rotated there.
    const turned = rotateRows(graph, arena, layer, rowsOf(graph, held.keys, ids), cells.length, at);
    graph.expand(ggml.setRows(ctx, held.keys, turned, wide));
    return {
      set() {
        graph.set(ids, cells);
        graph.set(wide, widen(cells));
        graph.set(at, positions);
        const keys = layerKeys(kv, layer);
        const values = layerValues(kv, layer);
        for (const [cell, row, count] of stretches) {
          const k = keys.subarray(row * keyWidth * 2, (row + count) * keyWidth * 2);
          const v = values.subarray(row * valueWidth * 2, (row + count) * valueWidth * 2);
          ggml.tensorSet(held.keys, k, cell * keyWidth * 2, k.byteLength);
          ggml.tensorSet(held.values, v, cell * valueWidth * 2, v.byteLength);
        }
      },
    };
  });
  cells.forEach((cell, i) => {
    heldBy(cell)[cell] = Math.max(kv.layers.to, before[i] as number);
  });
}

/** Reads a span, its keys rotated back to no position. */
export async function captureSpan(
  sequence: GgmlSequence,
  span: Span,
  options: RunOptions & { readonly layers?: LayerRange },
): Promise<ChunkKv> {
  const { arena } = sequence;
  const { info, hp } = arena.model;
  const layers = options.layers ?? { from: 0, to: info.layers };
  checkRange(layers, info.layers);
  const state = sequence.state;
  const cells = state.cells.slice(span.start, span.end);
  const positions = state.positions.slice(span.start, span.end);
  for (const cell of cells) {
    if ((arena.table.ready[cell] as number) < layers.to) {
      throw new StaleCellError('Some entries of the span are not computed.');
    }
  }
  const rows = cells.length;
  const size = layerBytes(info.kv, rows);
  const keyBytes = rows * info.kv.keyWidth * 2;
  const data = new Uint8Array(size * (layers.to - layers.from));
  if (rows > 0)
    await overLayers(arena, layers, options, (graph, layer, held) => {
      const { ggml, ctx } = graph;
      const ids = graph.input('I32', rows);
      const back = graph.input('I32', rows);
      const magnitude = 1 / keyMagnitude(hp, layer);
      const flat = rotateRows(
        graph,
        arena,
        layer,
        rowsOf(graph, held.keys, ids),
        rows,
        back,
        magnitude,
      );
      const keys = graph.output(ggml.cast(ctx, flat, 1));
      const values = graph.output(ggml.cast(ctx, rowsOf(graph, held.values, ids), 1));
      return {
        set() {
          graph.set(ids, cells);
          graph.set(
            back,
            positions.map((position) => -position),
          );
        },
        read() {
          const at = (layer - layers.from) * size;
          ggml.tensorGet(keys, data.subarray(at, at + keyBytes), 0, keyBytes);
          ggml.tensorGet(values, data.subarray(at + keyBytes, at + size), 0, size - keyBytes);
        },
      };
    });
  return {
    fingerprint: info.fingerprint,
    layout: info.kv,
    tokens: state.tokens.slice(span.start, span.end),
    layers,
    data,
  };
}

/** Rotates the keys of cells by distances; their lengths stay. */
export async function rotateCells(
  arena: GgmlArena,
  cells: Int32Array,
  by: Int32Array,
  signal?: AbortSignal,
): Promise<void> {
  const { table } = arena;
  const before = cells.map((cell) => table.ready[cell] as number);
  const most = before.reduce((a, b) => Math.max(a, b), 0);
  for (const cell of cells) table.ready[cell] = 0;
  const options = signal ? { signal } : {};
  await overLayers(arena, { from: 0, to: most }, options, (graph, layer, held) => {
    const { ggml, ctx } = graph;
    const ids = graph.input('I32', cells.length);
    const wide = graph.input('I64', cells.length);
    const at = graph.input('I32', cells.length);
    const keys = rowsOf(graph, held.keys, ids);
    const turned = rotateRows(graph, arena, layer, keys, cells.length, at, 1);
    graph.expand(ggml.setRows(ctx, held.keys, turned, wide));
    return {
      set() {
        graph.set(ids, cells);
        graph.set(wide, widen(cells));
        graph.set(at, by);
      },
    };
  });
  cells.forEach((cell, i) => {
    table.ready[cell] = before[i] as number;
  });
}

/** Copies cells, with how far they are valid. */
export async function copyCells(arena: GgmlArena, from: Int32Array, to: Int32Array): Promise<void> {
  const { table } = arena;
  const most = from.reduce((a, cell) => Math.max(a, table.ready[cell] as number), 0);
  await overLayers(arena, { from: 0, to: most }, {}, (graph, _layer, held) => {
    const { ggml, ctx } = graph;
    const ids = graph.input('I32', from.length);
    const wide = graph.input('I64', from.length);
    graph.expand(ggml.setRows(ctx, held.keys, rowsOf(graph, held.keys, ids), wide));
    graph.expand(ggml.setRows(ctx, held.values, rowsOf(graph, held.values, ids), wide));
    return {
      set() {
        graph.set(ids, from);
        graph.set(wide, widen(to));
      },
    };
  });
  to.forEach((cell, i) => {
    table.ready[cell] = table.ready[from[i] as number] as number;
  });
}

/**
 * The correction, with names of its own: they are read natively, after the caller had time to change his.
 * @throws InvalidArgumentError, StaleCellError
 */
export function checkCorrection(
  sequence: GgmlSequence,
  entries: Int32Array,
  correction: KvCorrection,
): KvCorrection {
  const { info } = sequence.arena.model;
  const { layers, of } = correction;
  checkRange(layers, info.layers);
  const count = layers.to - layers.from;
  if (of && !(ArrayBuffer.isView(of) && of.every(Number.isInteger))) {
    throw new InvalidArgumentError('The names of the vectors of a correction are an Int32Array.');
  }
  if (of && of.length !== entries.length) {
    throw new InvalidArgumentError(
      `The correction says of ${of.length} tokens which vector they get, not of ${entries.length}.`,
    );
  }
  const check = (list: Float32Array | undefined, width: number, what: string): void => {
    if (!list) return;
    const vectors = list.length / (count * width);
    const fits = of
      ? Number.isInteger(vectors) && of.every((vector) => vector >= 0 && vector < vectors)
      : vectors === 1 || vectors === entries.length;
    if (!fits) {
      throw new InvalidArgumentError(
        of
          ? `The ${what} of the correction have ${list.length} numbers, which do not hold all vectors that are named.`
          : `The ${what} of the correction have ${list.length} numbers instead of ${count * width} or ${count * entries.length * width}.`,
      );
    }
    // What overflows half precision would spread to every sequence of the arena.
    if (!areBelow(list, LARGEST_CORRECTION)) {
      throw new InvalidArgumentError(
        `The ${what} of the correction are not all numbers below ${LARGEST_CORRECTION} in size.`,
      );
    }
  };
  check(correction.keys, info.kv.keyWidth, 'keys');
  check(correction.values, info.kv.valueWidth, 'values');
  const { table } = sequence.arena;
  const { cells } = sequence.state;
  if (entries.some((entry) => (table.ready[cells[entry] as number] as number) < layers.to)) {
    throw new StaleCellError('Some of the entries are not computed.');
  }
  return of ? { ...correction, of: Int32Array.from(of) } : correction;
}

/** A plain loop: there are millions of values, and a callback for each would hold up the event loop. */
function areBelow(values: Float32Array, limit: number): boolean {
  for (let i = 0; i < values.length; i++) {
    if (!(Math.abs(values[i] as number) < limit)) return false;
  }
  return true;
}

/** Adds a checked correction to the un-rotated keys and the values of entries. */
export async function correctEntries(
  sequence: GgmlSequence,
  entries: Int32Array,
  correction: KvCorrection,
  options: RunOptions,
): Promise<void> {
  const { arena } = sequence;
  const { layers, keys, values } = correction;
  const rows = entries.length;
  if (rows === 0 || (!keys && !values)) return;
  const { keyWidth, valueWidth } = arena.model.info.kv;
  const count = layers.to - layers.from;
  const state = sequence.state;
  const cells = entries.map((entry) => state.cells[entry] as number);
  const positions = entries.map((entry) => state.positions[entry] as number);
  const { table } = arena;
  const before = cells.map((cell) => table.ready[cell] as number);
  for (const cell of cells) table.ready[cell] = layers.from;
  await overLayers(arena, layers, options, (graph, layer, held) => {
    const { ggml, ctx } = graph;
    const ids = graph.input('I32', rows);
    const wide = graph.input('I64', rows);
    const at = keys ? graph.input('I32', rows) : undefined;
    const add = (list: Float32Array, width: number) => {
      const vectors = list.length / (count * width);
      // Each its own, or numbers of those that are shared.
      const of = vectors === rows && !correction.of ? undefined : graph.input('I32', rows);
      const data = graph.input('F32', width, vectors);
      const from = (layer - layers.from) * vectors * width;
      return {
        tensor: of ? ggml.getRows(ctx, data, of) : data,
        set() {
          graph.set(data, list.subarray(from, from + vectors * width));
          if (of) graph.set(of, correction.of ?? new Int32Array(rows));
        },
      };
    };
    const addKeys = keys && add(keys, keyWidth);
    const addValues = values && add(values, valueWidth);
    if (addKeys && at) {
      const turned = rotateRows(graph, arena, layer, addKeys.tensor, rows, at);
      const sum = ggml.add(ctx, rowsOf(graph, held.keys, ids), turned);
      graph.expand(ggml.setRows(ctx, held.keys, sum, wide));
    }
    if (addValues) {
      const sum = ggml.add(ctx, rowsOf(graph, held.values, ids), addValues.tensor);
      graph.expand(ggml.setRows(ctx, held.values, sum, wide));
    }
    return {
      set() {
        graph.set(ids, cells);
        graph.set(wide, widen(cells));
        if (at) graph.set(at, positions);
        addKeys?.set();
        addValues?.set();
      },
    };
  });
  cells.forEach((cell, i) => {
    table.ready[cell] = before[i] as number;
  });
}

function checkRange(range: LayerRange, layers: number): void {
  const { from, to } = range;
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to <= from || to > layers) {
    throw new InvalidArgumentError(`The layers ${from} to ${to} are not a range within ${layers}.`);
  }
}
