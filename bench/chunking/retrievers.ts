import {
  bm25Retriever,
  denseRetriever,
  type Embedder,
  flatIndex,
  hybridRetriever,
  type Retriever,
} from '../../lib/index.js';

/** Makes an empty retriever. */
export type RetrieverKind = () => Retriever;

/** Names that {@link retrieverKinds} may know. */
export const retrieverNames = ['bm25', 'dense', 'hybrid'] as const;

/** Retrievers that every chunking is searched with, by name; without an embedder only BM25. */
export function retrieverKinds(embedder: Embedder | undefined): Map<string, RetrieverKind> {
  const kinds = new Map<string, RetrieverKind>([['bm25', () => bm25Retriever()]]);
  if (!embedder) return kinds;
  const dense = (): Retriever => denseRetriever({ embedder, index: flatIndex({ embedder }) });
  kinds.set('dense', dense);
  // As the program searches.
  kinds.set('hybrid', () =>
    hybridRetriever({
      retrievers: { lexical: bm25Retriever(), dense: dense() },
      weights: { lexical: 0.6, dense: 0.4 },
      fusion: { kind: 'weighted', normalise: 'min-max' },
    }),
  );
  return kinds;
}
