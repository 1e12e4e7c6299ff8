import type { Chunk, Chunker, TokenizedDocument } from '../../lib/index.js';
import { chunkDocument } from '../../lib/index.js';
import type { ChunkerKind } from './kinds.js';
import { nothingSpent, since, type Spent } from './spent.js';

export interface Tuned {
  readonly chunker: Chunker;
  readonly maxTokens: number;
  readonly chunks: readonly Chunk[];
  readonly meanTokens: number;
  /** What a model did for this cut. */
  readonly spent: Spent;
}

export interface TuneOptions {
  /** A limit whose mean size is off by this share at most is good enough; default 0: the nearest is looked for. */
  readonly tolerance?: number;
  /** What is tried first; default the middle. */
  readonly first?: number;
  /** What a model did so far, for all cuts. */
  readonly spent?: () => Spent;
}

/** The limit whose chunks come nearest to a mean size, so that chunkers are held against each other at equal size. */
export async function tune(
  kind: ChunkerKind,
  documents: readonly TokenizedDocument[],
  meanTokens: number,
  { tolerance = 0, first, spent }: TuneOptions = {},
): Promise<Tuned> {
  let low = Math.max(4, Math.floor(meanTokens / 2));
  let high = 4 * meanTokens;
  let best: Tuned | undefined;
  for (let next = first; low <= high; next = undefined) {
    const maxTokens = next ?? (low + high) >> 1;
    const tried = await cut(kind, documents, maxTokens, spent);
    const off = Math.abs(tried.meanTokens - meanTokens);
    if (!best || off < Math.abs(best.meanTokens - meanTokens)) best = tried;
    if (off <= tolerance * meanTokens) break;
    if (tried.meanTokens < meanTokens) low = maxTokens + 1;
    else high = maxTokens - 1;
  }
  return best as Tuned;
}

async function cut(
  kind: ChunkerKind,
  documents: readonly TokenizedDocument[],
  maxTokens: number,
  spent: () => Spent = () => nothingSpent,
): Promise<Tuned> {
  const before = spent();
  const chunker = kind(maxTokens);
  const chunks: Chunk[] = [];
  let tokens = 0;
  for (const document of documents) {
    for (const chunk of await chunkDocument(document, { chunker })) {
      chunks.push(chunk);
      tokens += chunk.tokens.length;
    }
  }
  return {
    chunker,
    maxTokens,
    chunks,
    meanTokens: tokens / chunks.length,
    spent: since(before, spent()),
  };
}
