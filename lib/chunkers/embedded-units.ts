import type { TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import type { Embedder } from '../retrieve/embedder.js';
import type { ChunkOptions } from './chunker.js';
import { Patience } from './model/patience.js';

/** Texts that are embedded in one call. */
const batchSize = 64;

/** Vectors of length 1, `[count][dimensions]`; of texts without direction all 0. */
export interface Vectors {
  readonly count: number;
  readonly dimensions: number;
  readonly values: Float32Array;
}

/** Texts that have no vectors, `[from, to)`: the embedder failed, or was not asked any more. */
export interface FailedTexts {
  readonly from: number;
  readonly to: number;
  readonly isTried: boolean;
  readonly cause: unknown;
}

export interface EmbedTextsOptions extends ChunkOptions {
  /** Told of texts whose vectors stay 0; after two failures in a row no more are asked for. Default: a failure rejects. */
  readonly onFailed?: (failed: FailedTexts) => void;
}

/**
 * Embeds texts, in batches.
 * @throws InvalidArgumentError for vectors that are not as the embedder says; the signal's reason
 */
export async function embedTexts(
  embedder: Embedder,
  texts: readonly string[],
  kind: 'query' | 'passage',
  { signal, onProgress, onFailed }: EmbedTextsOptions,
): Promise<Vectors> {
  const { dimensions } = embedder;
  const values = new Float32Array(texts.length * dimensions);
  const patience = new Patience();
  for (let from = 0; from < texts.length; from += batchSize) {
    signal?.throwIfAborted();
    const batch = texts.slice(from, from + batchSize);
    const to = from + batch.length;
    if (patience.isOver) {
      onFailed?.({ from, to: texts.length, isTried: false, cause: patience.cause });
      break;
    }
    let vectors: Float32Array[];
    try {
      vectors = await embedder.embed(batch, { kind, ...(signal && { signal }) });
      patience.answered();
    } catch (cause) {
      signal?.throwIfAborted();
      if (!onFailed) throw cause;
      patience.failed(cause);
      onFailed({ from, to, isTried: true, cause });
      continue;
    }
    if (vectors.length !== batch.length) {
      throw refuse(embedder, `${vectors.length} vectors for ${batch.length} texts`);
    }
    for (const [i, vector] of vectors.entries()) {
      const length = lengthOf(vector);
      if (vector.length !== dimensions || !Number.isFinite(length)) {
        throw refuse(embedder, `a vector of ${vector.length} numbers, or with one that is none`);
      }
      const row = (from + i) * dimensions;
      const scale = length > 0 ? 1 / length : 0;
      for (let k = 0; k < dimensions; k++) values[row + k] = (vector[k] as number) * scale;
    }
    onProgress?.(Math.min(1, (from + batchSize) / texts.length));
  }
  return { count: texts.length, dimensions, values };
}

/** Dot product of two rows. */
export function dot(a: Vectors, i: number, b: Vectors, j: number): number {
  const { dimensions, values } = a;
  const others = b.values;
  const x = i * dimensions;
  const y = j * dimensions;
  // Four sums side by side: each addition need not wait for the one before it.
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 3 < dimensions; k += 4) {
    s0 += (values[x + k] as number) * (others[y + k] as number);
    s1 += (values[x + k + 1] as number) * (others[y + k + 1] as number);
    s2 += (values[x + k + 2] as number) * (others[y + k + 2] as number);
    s3 += (values[x + k + 3] as number) * (others[y + k + 3] as number);
  }
  for (; k < dimensions; k++) s0 += (values[x + k] as number) * (others[y + k] as number);
  return s0 + s1 + (s2 + s3);
}

/** Sums of the rows before each: `[count + 1][dimensions]`, in double precision. */
export function prefixSums({ count, dimensions, values }: Vectors): Float64Array {
  const sums = new Float64Array((count + 1) * dimensions);
  for (let i = 0; i < values.length; i++) {
    sums[i + dimensions] = (sums[i] as number) + (values[i] as number);
  }
  return sums;
}

/** Squared length of the sum of the rows `[from, to)`. */
export function squaredSum(
  sums: Float64Array,
  dimensions: number,
  from: number,
  to: number,
): number {
  const a = from * dimensions;
  const b = to * dimensions;
  let total = 0;
  for (let k = 0; k < dimensions; k++) {
    const value = (sums[b + k] as number) - (sums[a + k] as number);
    total += value * value;
  }
  return total;
}

/** The texts of runs of tokens, `starts[i]` to `starts[i + 1]`, without blanks around them. */
export function textsOf(
  { text, tokens }: TokenizedDocument,
  starts: Int32Array,
  buffer: number,
): string[] {
  const size = starts.length - 1;
  return Array.from({ length: size }, (_, i) => {
    const from = starts[Math.max(0, i - buffer)] as number;
    const to = starts[Math.min(size, i + 1 + buffer)] as number;
    return text.slice(tokens.starts[from], tokens.starts[to]).trim();
  });
}

function lengthOf(vector: Float32Array): number {
  let square = 0;
  for (let k = 0; k < vector.length; k++) square += (vector[k] as number) ** 2;
  return Math.sqrt(square);
}

function refuse({ fingerprint }: Embedder, what: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `The embedder "${fingerprint}" broke its contract: it gave ${what}.`,
  );
}
