import type { KvCorrection } from '../../engine/arena.js';
import {
  type ChunkKv,
  type LayerRange,
  layerBytes,
  layerKeys,
  layerValues,
} from '../../engine/chunk-kv.js';
import { readHalves, roundToHalf, writeHalves } from '../../engine/half.js';
import type { ModelInfo } from '../../engine/model-info.js';
import { InvalidArgumentError, KvMismatchError } from '../../errors.js';
import type { Cells } from './cells.js';

/** Copies cells out. */
export function readChunk(
  cells: Cells,
  list: readonly number[],
  model: ModelInfo,
  layers: LayerRange,
): ChunkKv {
  const kv: ChunkKv = {
    fingerprint: model.fingerprint,
    layout: model.kv,
    tokens: Int32Array.from(list, (cell) => cells.token[cell] as number),
    data: new Uint8Array((layers.to - layers.from) * layerBytes(model.kv, list.length)),
    layers: { from: layers.from, to: layers.to },
  };
  for (let layer = layers.from; layer < layers.to; layer++) {
    const keys = layerKeys(kv, layer);
    const values = layerValues(kv, layer);
    list.forEach((cell, row) => {
      writeHalves(cells.key(layer, cell), keys.subarray(row * model.kv.keyWidth * 2));
      writeHalves(cells.value(layer, cell), values.subarray(row * model.kv.valueWidth * 2));
    });
  }
  return kv;
}

/** Copies the layers that `kv` holds into cells, row by row. */
export function writeChunk(cells: Cells, list: readonly number[], kv: ChunkKv): void {
  const { keyWidth, valueWidth } = kv.layout;
  for (let layer = kv.layers.from; layer < kv.layers.to; layer++) {
    const keys = readHalves(layerKeys(kv, layer));
    const values = readHalves(layerValues(kv, layer));
    list.forEach((cell, row) => {
      cells.key(layer, cell).set(keys.subarray(row * keyWidth, (row + 1) * keyWidth));
      cells.value(layer, cell).set(values.subarray(row * valueWidth, (row + 1) * valueWidth));
    });
  }
}

/** @throws KvMismatchError */
export function checkChunk(kv: ChunkKv, model: ModelInfo): void {
  if (kv.fingerprint !== model.fingerprint) {
    throw new KvMismatchError(
      `The chunk was made by model ${kv.fingerprint}, not by ${model.fingerprint}.`,
    );
  }
  const { layout, layers } = kv;
  const fits =
    layout.layers === model.kv.layers &&
    layout.keyWidth === model.kv.keyWidth &&
    layout.valueWidth === model.kv.valueWidth &&
    layout.type === model.kv.type;
  if (!fits) throw new KvMismatchError('The shape of the chunk is not that of the model.');
  checkLayerRange(layers, model.layers, (message) => new KvMismatchError(message));
  const bytes = (layers.to - layers.from) * layerBytes(layout, kv.tokens.length);
  if (kv.data.byteLength !== bytes) {
    throw new KvMismatchError(
      `The chunk has ${kv.data.byteLength} bytes; its shape needs ${bytes}.`,
    );
  }
  for (const token of kv.tokens) {
    if (token < 0 || token >= model.vocabSize) {
      throw new KvMismatchError(`The chunk's token ${token} is outside of the vocabulary.`);
    }
  }
}

export function checkLayerRange(
  range: LayerRange,
  layers: number,
  error: (message: string) => Error = (message) => new InvalidArgumentError(message),
): LayerRange {
  const { from, to } = range;
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to <= from || to > layers) {
    throw error(`[${from}, ${to}) is no range of the model's ${layers} layers.`);
  }
  return { from, to };
}

/** Checks that a correction fits the model and the span; returns a copy. */
export function checkCorrection(
  correction: KvCorrection,
  model: ModelInfo,
  tokens: number,
): KvCorrection {
  const { from, to } = checkLayerRange(correction.layers, model.layers);
  const { keyWidth, valueWidth } = model.kv;
  const { of } = correction;
  if (of && !(ArrayBuffer.isView(of) && of.length === tokens && of.every(Number.isInteger))) {
    throw new InvalidArgumentError(
      `A correction names the vector of each of ${tokens} tokens in an Int32Array.`,
    );
  }
  const check = (values: Float32Array | undefined, width: number, what: string): void => {
    if (values === undefined) return;
    if (!values.every(Number.isFinite)) {
      throw new InvalidArgumentError(`A correction of ${what} must be finite.`);
    }
    const shared = (to - from) * width;
    const vectors = values.length / shared;
    if (of) {
      if (Number.isInteger(vectors) && of.every((vector) => vector >= 0 && vector < vectors))
        return;
      throw new InvalidArgumentError(
        `A correction of ${what} does not hold all vectors that are named.`,
      );
    }
    if (values.length !== shared && values.length !== shared * tokens) {
      throw new InvalidArgumentError(
        `A correction of ${what} takes ${shared} or ${shared * tokens} numbers, not ${values.length}.`,
      );
    }
  };
  check(correction.keys, keyWidth, 'keys');
  check(correction.values, valueWidth, 'values');
  return {
    layers: { from, to },
    ...(correction.keys && { keys: correction.keys.slice() }),
    ...(correction.values && { values: correction.values.slice() }),
    ...(of && { of: Int32Array.from(of) }),
  };
}

/** Adds a checked correction to cells. */
export function addCorrection(
  cells: Cells,
  list: readonly number[],
  correction: KvCorrection,
): void {
  const { from, to } = correction.layers;
  const add = (
    values: Float32Array | undefined,
    width: number,
    target: (layer: number, cell: number) => Float32Array,
  ): void => {
    if (!values) return;
    const vectors = values.length / ((to - from) * width);
    for (let layer = from; layer < to; layer++) {
      list.forEach((cell, row) => {
        const vector = correction.of?.[row] ?? (vectors > 1 ? row : 0);
        const at = ((layer - from) * vectors + vector) * width;
        const held = target(layer, cell);
        for (let i = 0; i < width; i++) {
          held[i] = roundToHalf((held[i] as number) + (values[at + i] as number));
        }
      });
    }
  };
  add(correction.keys, cells.layout.keyWidth, (layer, cell) => cells.key(layer, cell));
  add(correction.values, cells.layout.valueWidth, (layer, cell) => cells.value(layer, cell));
}
