import { bm25Retriever } from './bm25.js';
import { denseRetriever, type DenseRetrieverOptions } from './dense.js';
import type { Embedder } from './embedder.js';
import { flatIndex } from './flat-index.js';
import type { Fusion } from './fusion.js';
import { hybridRetriever } from './hybrid.js';
import type { OnRetrievalNotice } from './notice.js';
import type { Retriever } from './retriever.js';

/** What did best on the tuning half of the retrieval bench's questions, and better than either side alone on the other. */
export const defaultFusion = {
  fusion: { kind: 'weighted', normalise: 'min-max' },
  weights: { lexical: 0.6, dense: 0.4 },
} as const satisfies {
  readonly fusion: Fusion;
  readonly weights: Readonly<Record<string, number>>;
};

export interface FusedRetrieverOptions {
  /** Stays the caller's. */
  readonly embedder: Embedder;
  /** As of {@link denseRetriever}. */
  readonly vectorOf?: DenseRetrieverOptions['vectorOf'];
  /** Told whenever a search went on by words or by meaning alone, since the other failed. */
  readonly onNotice?: OnRetrievalNotice;
}

/**
 * Finds passages by their words and by their meaning: BM25 and a {@link flatIndex} of the embedder's vectors, joined by min-max
 * scores, 0.6 of words and 0.4 of meaning.
 */
export function fusedRetriever({ embedder, vectorOf, onNotice }: FusedRetrieverOptions): Retriever {
  const index = flatIndex({ embedder });
  return hybridRetriever({
    retrievers: {
      lexical: bm25Retriever(),
      dense: denseRetriever({ embedder, index, ...(vectorOf && { vectorOf }) }),
    },
    ...defaultFusion,
    ...(onNotice && { onNotice }),
  });
}
