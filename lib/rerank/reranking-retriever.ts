import { wrapped } from '../retrieve/wrapped.js';
import type { OnRetrievalNotice } from '../retrieve/notice.js';
import { assertCount, assertSearch } from '../retrieve/ranking.js';
import type { Retriever } from '../retrieve/retriever.js';
import type { Reranker } from './reranker.js';

export interface RerankingRetrieverOptions {
  readonly retriever: Retriever;
  readonly reranker: Reranker;
  /** Chunks asked of the retriever and judged; default three times `k`, at least 20. */
  readonly pool?: number;
  /** Told when a search kept the retriever's order, since the reranker failed. */
  readonly onNotice?: OnRetrievalNotice;
}

/**
 * Orders what a retriever finds anew. A reranker that fails leaves the retriever's order and scores, with a notice.
 *
 * @throws InvalidArgumentError for a pool that cannot be
 */
export function rerankingRetriever(options: RerankingRetrieverOptions): Retriever {
  const { retriever, reranker, pool, onNotice } = options;
  if (pool !== undefined) assertCount('pool', pool);
  return wrapped(retriever, async (question, search) => {
    assertSearch(search);
    const { k, signal } = search;
    const wanted = Math.max(k, pool ?? Math.max(20, 3 * k));
    const candidates = await retriever.search(question, { ...search, k: wanted });
    if (candidates.length === 0) return [];
    try {
      return await reranker.rerank({ question, candidates, k, ...(signal && { signal }) });
    } catch (cause) {
      signal?.throwIfAborted();
      const problem = cause instanceof Error ? cause.message : String(cause);
      onNotice?.({
        kind: 'rerank-failed',
        message: `Passages kept the order of the search: the reranker "${reranker.name}" failed: ${problem}`,
        cause,
      });
      return candidates.slice(0, k);
    }
  });
}
