import { isContextEmbedder } from '../../lib/retrieve/embedder.js';
import {
  bm25Retriever,
  denseRetriever,
  type Chunk,
  type Embedder,
  flatIndex,
  hybridRetriever,
  type Retriever,
  type SituateOptions,
} from '../../lib/index.js';

/** Makes an empty retriever. */
export type RetrieverKind = () => Retriever;

/** Names that {@link retrieverKinds} may know. */
export const retrieverNames = [
  'bm25',
  'bm25-headings',
  'dense',
  'dense-headings',
  'dense-late',
  'hybrid',
] as const;

const headingsOf = ({ metadata }: Chunk): string => {
  const headings = metadata?.['headings'];
  return Array.isArray(headings) ? headings.join('\n') : '';
};

/** Headings count 2 in all, against 1 for the text; the retriever's own default is 0.5. */
const moreHeadings = { name: 'more headings', weight: 1.5, textOf: headingsOf };

/** Retrievers that every chunking is searched with, by name; without an embedder only BM25. */
export function retrieverKinds(embedder: Embedder | undefined): Map<string, RetrieverKind> {
  const kinds = new Map<string, RetrieverKind>([
    ['bm25', () => bm25Retriever()],
    ['bm25-headings', () => bm25Retriever({ fields: [moreHeadings] })],
  ]);
  if (!embedder) return kinds;
  const dense = (situate?: SituateOptions): Retriever =>
    denseRetriever({ embedder, index: flatIndex({ embedder }), ...(situate && { situate }) });
  kinds.set('dense', () => dense());
  kinds.set('dense-headings', () =>
    dense({
      how: 'custom',
      name: 'headings',
      before: 0,
      after: 0,
      textOf: ({ chunk }) => `${headingsOf(chunk)}\n${chunk.text}`.trim(),
    }),
  );
  // Late chunking: by the passage's tokens, which saw its neighbours.
  if (isContextEmbedder(embedder)) {
    kinds.set('dense-late', () => dense({ how: 'late', before: 1, after: 1 }));
  }
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
