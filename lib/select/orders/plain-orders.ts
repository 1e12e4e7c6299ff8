import type { ScoredChunk } from '../../retrieve/retriever.js';

/** As the retriever ranked them, best first. */
export function rankOrder(ranked: readonly ScoredChunk[]): ScoredChunk[] {
  return [...ranked];
}

/** By score, best first. */
export function valueDescending(ranked: readonly ScoredChunk[]): ScoredChunk[] {
  return ranked.toSorted((a, b) => b.score - a.score || compareTexts(a.chunk.id, b.chunk.id));
}

/** By score, best last, next to the question. */
export function valueAscending(ranked: readonly ScoredChunk[]): ScoredChunk[] {
  return valueDescending(ranked).toReversed();
}

/**
 * The best first, the second best last, and so on inwards: models make least of what stands in the middle (Lost in the
 * Middle, arXiv 2307.03172).
 */
export function bothEnds(ranked: readonly ScoredChunk[]): ScoredChunk[] {
  const best = valueDescending(ranked);
  const front = best.filter((_, i) => i % 2 === 0);
  const back = best.filter((_, i) => i % 2 === 1);
  return [...front, ...back.toReversed()];
}

/**
 * By document and place, whatever the question: one set has one layout in every prompt, so what a cache holds of it is
 * found again.
 */
export function canonicalOrder(ranked: readonly ScoredChunk[]): ScoredChunk[] {
  return ranked.toSorted(
    ({ chunk: a }, { chunk: b }) =>
      compareTexts(a.documentId, b.documentId) ||
      a.start - b.start ||
      a.end - b.end ||
      compareTexts(a.id, b.id),
  );
}

/** By UTF-16 units: the same on every machine, unlike `localeCompare`. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
