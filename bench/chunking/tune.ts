import type { Chunk, Chunker, TokenizedDocument } from '../../lib/index.js';
import { chunkDocument } from '../../lib/index.js';
import type { ChunkerKind } from './kinds.js';

export interface Tuned {
  readonly chunker: Chunker;
  readonly maxTokens: number;
  readonly chunks: readonly Chunk[];
  readonly meanTokens: number;
}

/** The limit whose chunks come nearest to a mean size, so that chunkers are held against each other at equal size. */
export async function tune(
  kind: ChunkerKind,
  documents: readonly TokenizedDocument[],
  meanTokens: number,
): Promise<Tuned> {
  let low = Math.max(4, Math.floor(meanTokens / 2));
  let high = 4 * meanTokens;
  let best: Tuned | undefined;
  while (low <= high) {
    const maxTokens = (low + high) >> 1;
    const tried = await cut(kind, documents, maxTokens);
    const off = Math.abs(tried.meanTokens - meanTokens);
    if (!best || off < Math.abs(best.meanTokens - meanTokens)) best = tried;
    if (tried.meanTokens < meanTokens) low = maxTokens + 1;
    else high = maxTokens - 1;
  }
  return best as Tuned;
}

async function cut(
  kind: ChunkerKind,
  documents: readonly TokenizedDocument[],
  maxTokens: number,
): Promise<Tuned> {
  const chunker = kind(maxTokens);
  const chunks: Chunk[] = [];
  let tokens = 0;
  for (const document of documents) {
    for (const chunk of await chunkDocument(document, { chunker })) {
      chunks.push(chunk);
      tokens += chunk.tokens.length;
    }
  }
  return { chunker, maxTokens, chunks, meanTokens: tokens / chunks.length };
}
