import { embedTexts } from '../../chunkers/embedded-units.js';
import type { Chunk } from '../../document.js';
import { InvalidArgumentError } from '../../errors.js';
import type { Embedder } from '../../retrieve/embedder.js';
import { boundaryClarity } from './boundary-clarity.js';
import type { ChunkLossOptions } from './chunk-losses.js';

export interface ChunkScoreOptions extends ChunkLossOptions {
  readonly embedder: Embedder;
  /** Weight of logical independence against semantic dispersion, in [0, 1]; default 0.3, as published. */
  readonly lambda?: number;
  /** Added to the diagonal, above 0; default 0.001, as published. */
  readonly alpha?: number;
}

export interface ChunkScore {
  /** `lambda * independence + (1 - lambda) * dispersion`. */
  readonly score: number;
  /** Mean Boundary Clarity of the borders; 1 for a single chunk. */
  readonly independence: number;
  /** See {@link semanticDispersion}. */
  readonly dispersion: number;
}

/**
 * ChunkScore (QChunker, arXiv 2603.11650): how well chunks do without their neighbours, and how far apart they are in
 * meaning. Higher is better. Dispersion has no lower bound and falls with every chunk that is like another, so scores are
 * to be compared for one text, at like sizes of chunks.
 *
 * @throws InvalidArgumentError for options out of range, no chunks, or vectors that are none; the signal's reason
 */
export async function chunkScore(
  chunks: readonly Pick<Chunk, 'text' | 'tokens'>[],
  options: ChunkScoreOptions,
): Promise<ChunkScore> {
  const { embedder, lambda = 0.3, alpha = 0.001, signal } = options;
  if (!(lambda >= 0 && lambda <= 1)) {
    throw new InvalidArgumentError(`chunkScore: lambda is ${lambda}; give 0 to 1.`);
  }
  if (chunks.length === 0) throw new InvalidArgumentError('chunkScore: there are no chunks.');
  const { mean: independence } = await boundaryClarity(chunks, options);
  const texts = chunks.map(({ text }) => text);
  const { values, dimensions } = await embedTexts(
    embedder,
    texts,
    'passage',
    signal ? { signal } : {},
  );
  const vectors = texts.map((_, i) => values.subarray(i * dimensions, (i + 1) * dimensions));
  const dispersion = semanticDispersion(vectors, alpha);
  return { score: lambda * independence + (1 - lambda) * dispersion, independence, dispersion };
}

/**
 * Semantic dispersion of K vectors: `SD = (1 / K) log det(Z^T J Z + alpha I)`, `Z` with a column for each vector and
 * `J = I - 11^T / d` (QChunker, arXiv 2603.11650): the log-volume that they span, each centred over its own `d` numbers. From
 * `log(alpha)` for vectors that say nothing to about 0 for vectors of length 1 at right angles. Time `K^2 (d + K)`.
 *
 * @param alpha above 0; default 0.001
 * @throws InvalidArgumentError without vectors, for vectors of different lengths or with numbers that are none
 */
export function semanticDispersion(vectors: readonly ArrayLike<number>[], alpha = 0.001): number {
  if (!(alpha > 0 && alpha < Infinity)) {
    throw new InvalidArgumentError(`semanticDispersion: alpha is ${alpha}; give a number above 0.`);
  }
  const size = vectors.length;
  const dimensions = vectors[0]?.length ?? 0;
  if (size === 0 || dimensions === 0) {
    throw new InvalidArgumentError('semanticDispersion: there are no vectors.');
  }
  const centred = vectors.map((vector) => {
    const values = Float64Array.from(vector);
    const mean = values.reduce((sum, value) => sum + value, 0) / dimensions;
    if (values.length !== dimensions || !Number.isFinite(mean)) {
      throw new InvalidArgumentError(
        `semanticDispersion: a vector has ${values.length} numbers, the first ${dimensions}, or one that is none.`,
      );
    }
    return values.map((value) => value - mean);
  });
  return logDeterminant(centred, alpha) / size;
}

/** Of the Gram matrix of `rows` plus `alpha` on the diagonal, by Cholesky's decomposition. */
function logDeterminant(rows: readonly Float64Array[], alpha: number): number {
  const size = rows.length;
  const lower = new Float64Array(size * size);
  let sum = 0;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let value = product(rows[i] as Float64Array, rows[j] as Float64Array);
      for (let k = 0; k < j; k++) {
        value -= (lower[i * size + k] as number) * (lower[j * size + k] as number);
      }
      if (i !== j) {
        lower[i * size + j] = value / (lower[j * size + j] as number);
        continue;
      }
      // What is left of the diagonal is at least alpha; rounding may take it below.
      const left = Math.max(value + alpha, alpha / 2);
      lower[i * size + i] = Math.sqrt(left);
      sum += Math.log(left);
    }
  }
  return sum;
}

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
