import { roundToHalf } from '../../engine/half.js';
import type { ModelInfo } from '../../engine/model-info.js';
import { seededNormals, seededRandom } from '../../random.js';
import { hashText } from './hash.js';

/** Shape of a fake model. Two fakes with equal shapes and seeds are the same model. */
export interface FakeModelOptions {
  /** Seed of the weights; default 1. */
  readonly seed?: number;
  /** Default 3. */
  readonly layers?: number;
  /** Default 16. */
  readonly width?: number;
  /** Default 2. */
  readonly heads?: number;
  /** Divides `heads`; default 1. */
  readonly kvHeads?: number;
  /** Even; default 8. */
  readonly headDim?: number;
  /** Default 4,096. */
  readonly contextLength?: number;
  /** Some layers see only the last `size` tokens. Default: none. */
  readonly slidingWindow?: { readonly size: number; readonly layers: readonly number[] };
  /** Default `fake`. */
  readonly name?: string;
}

interface LayerWeights {
  readonly query: Float64Array;
  readonly key: Float64Array;
  readonly value: Float64Array;
  readonly output: Float64Array;
  readonly gate: Float64Array;
  readonly up: Float64Array;
  readonly down: Float64Array;
}

/**
 * A tiny transformer with random weights: RMS norms, grouped-query attention with rotary positions, gated
 * feed-forward. Computes in double precision; only keys and values are rounded to half precision.
 */
export class FakeModel {
  readonly info: ModelInfo;
  readonly headDim: number;
  readonly #embedding: Float64Array;
  readonly #head: Float64Array;
  readonly #layers: readonly LayerWeights[];
  readonly #feedForward: number;
  readonly #windows: readonly number[];
  readonly #turns = new Map<number, Float64Array>();

  constructor(options: FakeModelOptions, vocabSize: number, tokenizerFingerprint: string) {
    const { seed = 1, layers = 3, width = 16, heads = 2, kvHeads = 1, headDim = 8 } = options;
    const { contextLength = 4096, slidingWindow, name = 'fake' } = options;
    const random = seededRandom(seed);
    const matrix = (rows: number, columns: number, gain: number): Float64Array =>
      seededNormals(random, rows * columns, gain / Math.sqrt(columns));
    this.headDim = headDim;
    this.#feedForward = 2 * width;
    this.#windows = Array.from({ length: layers }, (_, layer) =>
      slidingWindow?.layers.includes(layer) ? slidingWindow.size : 0,
    );
    this.#embedding = seededNormals(random, vocabSize * width, 1);
    this.#head = matrix(vocabSize, width, 2);
    this.#layers = Array.from({ length: layers }, () => ({
      query: matrix(heads * headDim, width, 1.5),
      key: matrix(kvHeads * headDim, width, 1.5),
      value: matrix(kvHeads * headDim, width, 1.2),
      output: matrix(width, heads * headDim, 1),
      gate: matrix(this.#feedForward, width, 1),
      up: matrix(this.#feedForward, width, 1),
      down: matrix(width, this.#feedForward, 1),
    }));
    const full = this.#windows.flatMap((window, layer) => (window === 0 ? [layer] : []));
    const middle = full.filter((layer) => layer >= layers / 3 && layer < (2 * layers) / 3);
    const shape = { seed, layers, width, heads, kvHeads, headDim, slidingWindow };
    this.info = {
      name,
      architecture: 'fake',
      fingerprint: hashText(JSON.stringify([shape, vocabSize, tokenizerFingerprint])),
      layers,
      width,
      heads,
      kvHeads,
      vocabSize,
      contextLength,
      kv: { layers, keyWidth: kvHeads * headDim, valueWidth: kvHeads * headDim, type: 'f16' },
      probeLayers: middle.length > 0 ? middle : full.length > 0 ? full : [layers - 1],
      slidingWindow: slidingWindow?.size ?? 0,
      parameters:
        2 * vocabSize * width +
        layers * width * (2 * heads * headDim + 2 * kvHeads * headDim + 3 * this.#feedForward),
      notes: ['random weights: for tests only'],
    };
  }

  /** Tokens that a layer sees, the row's own included; 0 for all. */
  window(layer: number): number {
    return this.#windows[layer] as number;
  }

  embed(token: number, target: Float64Array): void {
    const { width } = this.info;
    target.set(this.#embedding.subarray(token * width, (token + 1) * width));
  }

  /** Query, key and value of a row, none of them rotated; key and value as cells hold them. */
  project(layer: number, x: Float64Array): { q: Float64Array; k: Float64Array; v: Float64Array } {
    const weights = this.#layers[layer] as LayerWeights;
    const normed = rmsNorm(x);
    return {
      q: multiply(weights.query, normed),
      k: multiply(weights.key, normed).map(roundToHalf),
      v: multiply(weights.value, normed).map(roundToHalf),
    };
  }

  /** Adds attention's output and the feed-forward block to the row, in place. */
  mix(layer: number, x: Float64Array, attended: Float64Array): void {
    const weights = this.#layers[layer] as LayerWeights;
    add(x, multiply(weights.output, attended));
    const normed = rmsNorm(x);
    const gate = multiply(weights.gate, normed);
    const up = multiply(weights.up, normed);
    for (let i = 0; i < gate.length; i++) {
      const value = gate[i] as number;
      gate[i] = (value / (1 + Math.exp(-value))) * (up[i] as number);
    }
    add(x, multiply(weights.down, gate));
  }

  logits(x: Float64Array): Float32Array {
    return Float32Array.from(multiply(this.#head, rmsNorm(x)));
  }

  /** Rotates all heads of `source` to a position, writing at `at` of `target`. */
  rotate(source: ArrayLike<number>, position: number, target: Float64Array, at: number): void {
    const turn = this.#turn(position);
    const half = this.headDim / 2;
    for (let head = 0; head < source.length; head += this.headDim) {
      for (let i = 0; i < half; i++) {
        const a = source[head + i] as number;
        const b = source[head + i + half] as number;
        const cos = turn[2 * i] as number;
        const sin = turn[2 * i + 1] as number;
        target[at + head + i] = a * cos - b * sin;
        target[at + head + i + half] = a * sin + b * cos;
      }
    }
  }

  #turn(position: number): Float64Array {
    const known = this.#turns.get(position);
    if (known) return known;
    const half = this.headDim / 2;
    const turn = new Float64Array(2 * half);
    for (let i = 0; i < half; i++) {
      const angle = position * 10_000 ** (-i / half);
      turn[2 * i] = Math.cos(angle);
      turn[2 * i + 1] = Math.sin(angle);
    }
    if (this.#turns.size > 100_000) this.#turns.clear();
    this.#turns.set(position, turn);
    return turn;
  }
}

function rmsNorm(x: Float64Array): Float64Array {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] as number) ** 2;
  const scale = 1 / Math.sqrt(sum / x.length + 1e-6);
  return x.map((value) => value * scale);
}

/** `matrix` is `[rows][x.length]`. */
function multiply(matrix: Float64Array, x: Float64Array): Float64Array {
  const rows = matrix.length / x.length;
  const result = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const at = row * x.length;
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += (matrix[at + i] as number) * (x[i] as number);
    result[row] = sum;
  }
  return result;
}

function add(x: Float64Array, y: Float64Array): void {
  for (let i = 0; i < x.length; i++) x[i] = (x[i] as number) + (y[i] as number);
}
