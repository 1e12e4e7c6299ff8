import type { ScoredChunk } from '../../retrieve/retriever.js';
import { assertNumber } from '../numbers.js';
import type { SetValue } from '../selector.js';

export interface MaxMarginalValueOptions {
  /** How much alike two chunks are, for example the cosine of their vectors; symmetric. */
  readonly similarity: (a: ScoredChunk, b: ScoredChunk) => number;
  /** What likeness takes away from a score; default 1. */
  readonly redundancy?: number;
}

/**
 * The sum of scores, each less what the chunk is like the most similar one before it by score: maximal marginal
 * relevance (Carbonell and Goldstein, SIGIR 1998) of a whole set.
 *
 * @throws InvalidArgumentError for a `redundancy` that is negative or not finite
 */
export function maxMarginalValue({
  similarity,
  redundancy = 1,
}: MaxMarginalValueOptions): SetValue {
  assertNumber('maxMarginalValue: redundancy', redundancy, 0);
  const valueOf = (set: readonly ScoredChunk[]): number => {
    // By score, not as they stand in the prompt: a set has one value.
    const best = set.toSorted((a, b) => b.score - a.score);
    let value = 0;
    for (const [i, chunk] of best.entries()) {
      const likeness = best.slice(0, i).map((earlier) => similarity(earlier, chunk));
      value += chunk.score - redundancy * Math.max(0, ...likeness);
    }
    return value;
  };
  return { name: 'max marginal relevance', of: async (sets) => sets.map(valueOf) };
}
