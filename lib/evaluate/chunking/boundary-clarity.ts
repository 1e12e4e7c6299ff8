import { mean } from '../statistics/summary.js';
import {
  ChunkLosses,
  type ChunkLossOptions,
  perplexityOf,
  type ReadChunk,
} from './chunk-losses.js';

export interface BoundaryClarityOptions extends ChunkLossOptions {
  /**
   * `paper` (default): a ratio of perplexities. `code`, as the authors' program has it: a ratio of mean losses, without
   * the exponential; it also reads a chunk by itself after a space, see `emptyContext`.
   */
  readonly form?: 'paper' | 'code';
}

export interface BoundaryClarity {
  /** Mean over the borders; 1 for a single chunk. */
  readonly mean: number;
  /** Of each border between neighbours, in order: `[chunks - 1]`. */
  readonly borders: Float64Array;
}

/**
 * Boundary Clarity: `BC(q, d) = ppl(q | d) / ppl(q)` of each chunk `q` and the one before it, `d` (MoC, arXiv
 * 2503.09600). Near 1 where a chunk can do without the one before it, lower where it needs it; nothing keeps it from being
 * above 1. Two readings of a chunk, by itself and after its neighbour: `2 * (chunks - 1)` calls of the model.
 *
 * @throws InvalidArgumentError where no token of a chunk has a loss; the signal's reason
 */
export async function boundaryClarity(
  chunks: readonly ReadChunk[],
  options: BoundaryClarityOptions,
): Promise<BoundaryClarity> {
  const losses = new ChunkLosses(chunks, options);
  const isExponential = options.form !== 'code';
  const borders = new Float64Array(Math.max(0, chunks.length - 1));
  for (let i = 1; i < chunks.length; i++) {
    const { alone, after } = await losses.pair(i, i - 1);
    borders[i - 1] = perplexityOf(after, isExponential) / perplexityOf(alone, isExponential);
  }
  return { mean: borders.length > 0 ? mean(borders) : 1, borders };
}
