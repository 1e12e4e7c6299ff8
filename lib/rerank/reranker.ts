import type { ScoredChunk } from '../retrieve/retriever.js';

/** Orders candidates anew by how well they fit a question. */
export interface Reranker {
  readonly name: string;
  /**
   * The best `k`, best first, with scores of the reranker's own. Equal input gives equal output.
   *
   * @throws InvalidArgumentError for a `k` that is no whole number of at least 1.
   */
  rerank(request: RerankRequest): Promise<ScoredChunk[]>;
}

export interface RerankRequest {
  readonly question: string;
  /** Best first, as a retriever gives them. */
  readonly candidates: readonly ScoredChunk[];
  /** Default all of them. */
  readonly k?: number;
  readonly signal?: AbortSignal;
}
