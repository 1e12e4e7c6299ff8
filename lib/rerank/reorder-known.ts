import type { ScoredChunk } from '../retrieve/retriever.js';

/**
 * Orders candidates by new scores, best first; equal ones stay as they were. A candidate without a score keeps its place, and the
 * others are ordered among theirs; scores are then 1 / rank, since those at hand do not compare.
 */
export function reorderKnown(
  candidates: readonly ScoredChunk[],
  scores: readonly (number | undefined)[],
): ScoredChunk[] {
  const known = [...candidates.keys()].filter((i) => scores[i] !== undefined);
  const best = known.toSorted((a, b) => (scores[b] as number) - (scores[a] as number));
  if (known.length === candidates.length) {
    return best.map((i) => ({ ...(candidates[i] as ScoredChunk), score: scores[i] as number }));
  }
  const order = [...candidates.keys()];
  for (const [n, place] of known.entries()) order[place] = best[n] as number;
  return order.map((i, rank) => ({ ...(candidates[i] as ScoredChunk), score: 1 / (rank + 1) }));
}
