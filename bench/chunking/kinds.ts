import {
  type Chunker,
  contentDefinedChunker,
  fixedChunker,
  perplexityChunker,
  recursiveChunker,
  sentenceChunker,
  type TokenLosses,
} from '../../lib/index.js';

/** Makes a chunker whose chunks have this many tokens at most. */
export type ChunkerKind = (maxTokens: number) => Chunker;

/** The chunkers that the bench knows, by name. */
export const chunkerKinds: Readonly<Record<string, ChunkerKind>> = {
  fixed: (maxTokens) => fixedChunker({ maxTokens }),
  recursive: (maxTokens) => recursiveChunker({ maxTokens }),
  anchored: (maxTokens) => recursiveChunker({ maxTokens, anchored: true }),
  sentence: (maxTokens) => sentenceChunker({ maxTokens }),
  'content-defined': (maxTokens) => contentDefinedChunker({ maxTokens }),
};

/** Those that need a language model, by name. */
export const modelChunkerKinds: Readonly<Record<string, (losses: TokenLosses) => ChunkerKind>> = {
  perplexity: (losses) => (maxTokens) =>
    perplexityChunker({ losses, maxTokens, targetTokens: Math.floor((2 * maxTokens) / 3) }),
};
