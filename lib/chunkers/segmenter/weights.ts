import { InvalidArgumentError } from '../../errors.js';
import type { Embedder } from '../../retrieve/embedder.js';

/**
 * What a segmenter has learned, for the vectors of one embedder. Plain data, fit for JSON: `scripts/train-segmenter.mjs`
 * makes it.
 */
export interface SegmenterWeights {
  readonly version: 1;
  /** Fingerprint of the embedder that it was trained with; with another its answers mean nothing. */
  readonly embedder: string;
  readonly dimensions: number;
  readonly hidden: number;
  /** Signed bytes in base64, `[hidden][3][dimensions]`: what counts of the first vector, the second, and their product. */
  readonly values: string;
  /** What each byte is multiplied by, `[hidden][3]`. */
  readonly scales: readonly number[];
  /** `[hidden]` each. */
  readonly bias: readonly number[];
  readonly output: readonly number[];
  readonly outputBias: number;
}

/** Weights as they are computed with. */
export interface LoadedWeights {
  readonly dimensions: number;
  readonly hidden: number;
  /** `[hidden][dimensions]` each. */
  readonly first: Float32Array;
  readonly second: Float32Array;
  readonly product: Float32Array;
  readonly bias: Float64Array;
  readonly output: Float64Array;
  readonly outputBias: number;
}

/** @throws InvalidArgumentError for weights of another version or embedder, or that are damaged */
export function loadWeights(weights: SegmenterWeights, embedder: Embedder): LoadedWeights {
  assertEmbedder(weights, embedder);
  const { dimensions, hidden, scales, bias, output, outputBias } = weights;
  const bytes = bytesOf(weights.values);
  const isWhole =
    bytes.length === hidden * 3 * dimensions &&
    scales.length === hidden * 3 &&
    bias.length === hidden &&
    output.length === hidden &&
    [...scales, ...bias, ...output, outputBias].every(Number.isFinite);
  if (!isWhole) {
    throw new InvalidArgumentError(
      "The segmenter's weights are damaged: their parts are not of the sizes that they give. Train or copy them again.",
    );
  }
  const part = (which: number): Float32Array => {
    const values = new Float32Array(hidden * dimensions);
    for (let unit = 0; unit < hidden; unit++) {
      const row = unit * 3 + which;
      for (let k = 0; k < dimensions; k++) {
        values[unit * dimensions + k] =
          (bytes[row * dimensions + k] as number) * (scales[row] as number);
      }
    }
    return values;
  };
  return {
    dimensions,
    hidden,
    first: part(0),
    second: part(1),
    product: part(2),
    bias: Float64Array.from(bias),
    output: Float64Array.from(output),
    outputBias,
  };
}

/** @throws InvalidArgumentError for weights of another version or embedder */
export function assertEmbedder(weights: SegmenterWeights, embedder: Embedder): void {
  if (weights.version !== 1) {
    throw new InvalidArgumentError(
      `The segmenter's weights are of version ${String(weights.version)}, not 1. Train them again.`,
    );
  }
  const isSame =
    weights.embedder === embedder.fingerprint && weights.dimensions === embedder.dimensions;
  if (isSame) return;
  throw new InvalidArgumentError(
    `The segmenter was trained with the embedder ${weights.embedder} (${weights.dimensions} dimensions), not with ` +
      `${embedder.fingerprint} (${embedder.dimensions}), whose vectors mean something else. Use that embedder, or ` +
      'train weights for yours (scripts/train-segmenter.mjs) and give them as `weights`.',
  );
}

/** Nothing for what is no base64. */
function bytesOf(base64: string): Int8Array {
  let text: string;
  try {
    text = atob(base64);
  } catch {
    return new Int8Array(0);
  }
  const bytes = new Int8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
