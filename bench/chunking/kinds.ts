import {
  type Chunker,
  contentDefinedChunker,
  fixedChunker,
  recursiveChunker,
  sentenceChunker,
} from '../../lib/index.js';

/** Makes a chunker whose chunks have this many tokens at most. */
export type ChunkerKind = (maxTokens: number) => Chunker;

/** The chunkers that the bench knows, by name. */
export const chunkerKinds: Readonly<Record<string, ChunkerKind>> = {
  fixed: (maxTokens) => fixedChunker({ maxTokens }),
  recursive: (maxTokens) => recursiveChunker({ maxTokens }),
  sentence: (maxTokens) => sentenceChunker({ maxTokens }),
  'content-defined': (maxTokens) => contentDefinedChunker({ maxTokens }),
};
