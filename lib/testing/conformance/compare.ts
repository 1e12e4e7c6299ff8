import { type ChunkKv, layerKeys, layerValues } from '../../engine/chunk-kv.js';
import { readHalves } from '../../engine/half.js';
import { equal, ok, sameNumbers } from './assert.js';

/** How far two ways to the same numbers may lie apart. */
export interface Tolerance {
  /** Greatest difference of two logits, in standard deviations of their row. Default 0.02. */
  readonly logits: number;
  /** Kullback-Leibler divergence of two next-token distributions, in nats. Default 1e-4. */
  readonly divergence: number;
  /** The same of a row that was computed alone, for which kernels often sum in another way. Default 1e-4. */
  readonly divergenceAlone: number;
  /** Keys, values and hidden states: length of the difference to length of the vector. Default 0.01. */
  readonly vectors: number;
  /** Attention: sum of absolute differences to the whole mass. Default 0.005. */
  readonly attention: number;
}

export const DEFAULT_TOLERANCE: Tolerance = {
  logits: 0.02,
  divergence: 1e-4,
  divergenceAlone: 1e-4,
  vectors: 0.01,
  attention: 0.005,
};

/** Greatest difference, in standard deviations, and greatest divergence over rows of logits. */
export function logitDistance(
  actual: Float32Array,
  expected: Float32Array,
  vocabSize: number,
): { readonly logits: number; readonly divergence: number } {
  let logits = 0;
  let divergence = 0;
  for (let at = 0; at < expected.length; at += vocabSize) {
    const a = actual.subarray(at, at + vocabSize);
    const b = expected.subarray(at, at + vocabSize);
    logits = worst(logits, greatest(a, b) / deviation(b));
    divergence = worst(divergence, klDivergence(b, a));
  }
  return { logits, divergence };
}

/** Like `Math.max`, and NaN stays. */
function worst(a: number, b: number): number {
  return a > b ? a : b;
}

function greatest(a: Float32Array, b: Float32Array): number {
  let found = 0;
  for (let i = 0; i < b.length; i++) {
    const difference = Math.abs((a[i] as number) - (b[i] as number));
    if (!(difference <= found)) found = difference;
  }
  return found;
}

function deviation(values: Float32Array): number {
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  return Math.sqrt(Math.max(1e-20, squares / values.length - mean * mean));
}

function klDivergence(p: Float32Array, q: Float32Array): number {
  const logP = logSoftmax(p);
  const logQ = logSoftmax(q);
  let sum = 0;
  for (let i = 0; i < logP.length; i++) {
    const log = logP[i] as number;
    sum += Math.exp(log) * (log - (logQ[i] as number));
  }
  return sum;
}

export function logSoftmax(logits: Float32Array): Float64Array {
  let best = -Infinity;
  for (const logit of logits) if (logit > best) best = logit;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - best);
  return Float64Array.from(logits, (logit) => logit - best - Math.log(total));
}

/** Length of the difference in lengths of `expected`. */
export function vectorDistance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let length = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += ((actual[i] as number) - (expected[i] as number)) ** 2;
    length += (expected[i] as number) ** 2;
  }
  return Math.sqrt(difference / Math.max(length, 1e-20));
}

export function sameVectors(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  equal(actual.length, expected.length, `${what}, length`);
  const distance = vectorDistance(actual, expected);
  ok(distance <= tolerance, `${what}: differs by ${distance}, allowed are ${tolerance}`);
}

/** Compares attention masses. */
export function sameMass(
  actual: Float32Array,
  expected: Float32Array,
  tolerance: number,
  what: string,
): void {
  equal(actual.length, expected.length, `${what}, length`);
  let difference = 0;
  let mass = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += Math.abs((actual[i] as number) - (expected[i] as number));
    mass += expected[i] as number;
  }
  ok(
    difference <= tolerance * Math.max(mass, 1),
    `${what}: differs by ${difference} of a mass of ${mass}`,
  );
}

/** Compares keys and values layer by layer, over the layers that `expected` holds. */
export function sameKv(actual: ChunkKv, expected: ChunkKv, tolerance: number, what: string): void {
  sameNumbers(actual.tokens, expected.tokens, `${what}, tokens`);
  for (let layer = expected.layers.from; layer < expected.layers.to; layer++) {
    const { keys, values } = kvDistance(actual, expected, layer);
    ok(keys <= tolerance, `${what}: keys of layer ${layer} differ by ${keys}`);
    ok(values <= tolerance, `${what}: values of layer ${layer} differ by ${values}`);
  }
}

export function kvDistance(
  actual: ChunkKv,
  expected: ChunkKv,
  layer: number,
): { readonly keys: number; readonly values: number } {
  return {
    keys: vectorDistance(keysOf(actual, layer), keysOf(expected, layer)),
    values: vectorDistance(valuesOf(actual, layer), valuesOf(expected, layer)),
  };
}

/** `[tokens][keyWidth]`. */
export function keysOf(kv: ChunkKv, layer: number): Float32Array {
  return readHalves(layerKeys(kv, layer));
}

/** `[tokens][valueWidth]`. */
export function valuesOf(kv: ChunkKv, layer: number): Float32Array {
  return readHalves(layerValues(kv, layer));
}
