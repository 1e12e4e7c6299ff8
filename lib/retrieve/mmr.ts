import { runSteps, type Steps } from '../pace.js';
import { normalised } from './fusion.js';
import { assertCount, assertSearch, assertShare } from './ranking.js';
import type { Retriever, ScoredChunk, SearchOptions } from './retriever.js';
import { type Similarity, type SimilarityMeasure, termSimilarity } from './similarity.js';
import { wrapped } from './wrapped.js';

export interface MmrOptions {
  /** Weight of relevance against novelty, in [0, 1]; default 0.7. 1 leaves the order as it is. */
  readonly lambda?: number;
  /** How alike passages are; default by their terms. `vectorSimilarity(embedder)` compares what they mean. */
  readonly similarity?: SimilarityMeasure;
  /** Chunks asked of the retriever to choose from; default four times `k`, at least 20. */
  readonly pool?: number;
}

/**
 * Chooses chunks that differ, so that a prompt does not say one thing many times: maximal marginal relevance (Carbonell and
 * Goldstein, SIGIR 1998). One after another the chunk is taken whose
 *
 *     lambda * relevance - (1 - lambda) * greatest similarity to one that was taken
 *
 * is greatest, relevance being the retriever's score brought to [0, 1] over the pool. Scores of the results are those
 * values, which never rise where similarities are not negative.
 *
 * @throws InvalidArgumentError for options that cannot be
 */
export function mmrRetriever(retriever: Retriever, options: MmrOptions = {}): Retriever {
  const { lambda = 0.7, similarity = termSimilarity(), pool } = options;
  assertShare('lambda', lambda);
  if (pool !== undefined) assertCount('pool', pool);
  return wrapped(retriever, async (question, search: SearchOptions) => {
    assertSearch(search);
    const { k, signal } = search;
    const wanted = Math.max(k, pool ?? Math.max(20, 4 * k));
    const hits = await retriever.search(question, { ...search, k: wanted });
    const alike = await similarity(
      hits.map(({ chunk }) => chunk),
      signal ? { signal } : {},
    );
    return runSteps(mostMarginal(hits, alike, { lambda, k }), signal ? { signal } : {});
  });
}

/** The choice itself, of hits that come best first; equal values in their order. */
export function* mostMarginal(
  hits: readonly ScoredChunk[],
  similarity: Similarity,
  { lambda, k }: { readonly lambda: number; readonly k: number },
): Steps<ScoredChunk[]> {
  const relevance = normalised(
    hits.map(({ score }) => score),
    'min-max',
  );
  /** Greatest similarity of each to what was taken. */
  const nearest = new Float64Array(hits.length);
  const left = new Set(hits.keys());
  const taken: ScoredChunk[] = [];
  while (taken.length < k && left.size > 0) {
    let best = -1;
    let bestValue = -Infinity;
    for (const i of left) {
      const value = lambda * (relevance[i] as number) - (1 - lambda) * (nearest[i] as number);
      if (value > bestValue) [best, bestValue] = [i, value];
    }
    left.delete(best);
    taken.push({ chunk: (hits[best] as ScoredChunk).chunk, score: bestValue });
    for (const i of left) {
      const its = similarity(best, i);
      if (taken.length === 1 || its > (nearest[i] as number)) nearest[i] = its;
    }
    yield taken.length / Math.min(k, hits.length);
  }
  return taken;
}
