import type { TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import type { Embedder } from '../retrieve/embedder.js';
import type { ChunkOptions } from './chunker.js';

/** Texts that are embedded in one call. */
const batchSize = 64;

/** Vectors of length 1, `[count][dimensions]`; of texts without direction all 0. */
export interface Vectors {
  readonly count: number;
  readonly dimensions: number;
  readonly values: Float32Array;
}

/**
 * Embeds texts, in batches.
 * @throws InvalidArgumentError for vectors that are not as the embedder says; the signal's reason
 */
export async function embedTexts(
  embedder: Embedder,
  texts: readonly string[],
  kind: 'query' | 'passage',
  { signal, onProgress }: ChunkOptions,
): Promise<Vectors> {
  const { dimensions } = embedder;
  const values = new Float32Array(texts.length * dimensions);
  for (let from = 0; from < texts.length; from += batchSize) {
    signal?.throwIfAborted();
    const batch = texts.slice(from, from + batchSize);
    const vectors = await embedder.embed(batch, { kind, ...(signal && { signal }) });
    if (vectors.length !== batch.length) {
      throw refuse(embedder, `${vectors.length} vectors for ${batch.length} texts`);
    }
    for (const [i, vector] of vectors.entries()) {
      if (vector.length !== dimensions || !vector.every(Number.isFinite)) {
        throw refuse(embedder, `a vector of ${vector.length} numbers, or with one that is none`);
      }
      values.set(normalised(vector), (from + i) * dimensions);
    }
    onProgress?.(Math.min(1, (from + batchSize) / texts.length));
  }
  return { count: texts.length, dimensions, values };
}

/** Dot product of two rows. */
export function dot(a: Vectors, i: number, b: Vectors, j: number): number {
  const { dimensions } = a;
  const x = i * dimensions;
  const y = j * dimensions;
  let sum = 0;
  for (let k = 0; k < dimensions; k++) {
    sum += (a.values[x + k] as number) * (b.values[y + k] as number);
  }
  return sum;
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

function normalised(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return length > 0 ? vector.map((value) => value / length) : vector;
}

function refuse({ fingerprint }: Embedder, what: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `The embedder "${fingerprint}" broke its contract: it gave ${what}.`,
  );
}
