import {
  type ChunkingNotice,
  type Chunker,
  clusterChunker,
  contentDefinedChunker,
  type Embedder,
  fixedChunker,
  htmlChunker,
  intentChunker,
  markdownChunker,
  outlinedChunker,
  perplexityChunker,
  recursiveChunker,
  semanticChunker,
  sentenceChunker,
  type TokenLosses,
  trainedChunker,
} from '../../lib/index.js';

/** Makes a chunker whose chunks have this many tokens at most. */
export type ChunkerKind = (maxTokens: number) => Chunker;

/** The chunkers that need nothing but the text and are held to a speed, by name. */
export const chunkerKinds: Readonly<Record<string, ChunkerKind>> = {
  fixed: (maxTokens) => fixedChunker({ maxTokens }),
  recursive: (maxTokens) => recursiveChunker({ maxTokens }),
  anchored: (maxTokens) => recursiveChunker({ maxTokens, anchored: true }),
  sentence: (maxTokens) => sentenceChunker({ maxTokens }),
  'content-defined': (maxTokens) => contentDefinedChunker({ maxTokens }),
};

/** Those that are told more, by name: a format, an overlap. */
export const toldChunkerKinds: Readonly<Record<string, ChunkerKind>> = {
  markdown: (maxTokens) => markdownChunker({ maxTokens }),
  html: (maxTokens) => htmlChunker({ maxTokens }),
  outlined: (maxTokens) => outlinedChunker({ maxTokens }),
  'outlined-overlap': (maxTokens) =>
    outlinedChunker({ maxTokens, overlapTokens: Math.floor(maxTokens / 4) }),
  'recursive-overlap': (maxTokens) =>
    recursiveChunker({ maxTokens, overlapTokens: Math.floor(maxTokens / 4) }),
};

/** What was cut by its structure alone would be measured under another's name. */
function onNotice({ message, cause }: ChunkingNotice): never {
  throw new Error(message, { cause });
}

/** Those that need an embedder, by name. */
export const embedderChunkerKinds: Readonly<Record<string, (embedder: Embedder) => ChunkerKind>> = {
  semantic: (embedder) => (maxTokens) =>
    semanticChunker({
      embedder,
      maxTokens,
      cut: { meanTokens: maxTokens / 2 },
      buffer: 0,
      onNotice,
    }),
  // Pieces of one size, as in Chroma's report, so that those of all limits are embedded once.
  cluster: (embedder) => (maxTokens) =>
    clusterChunker({ embedder, maxTokens, pieceTokens: 50, onNotice }),
  intent: (embedder) => (maxTokens) => intentChunker({ embedder, maxTokens }),
  trained: (embedder) => (maxTokens) =>
    trainedChunker({ embedder, maxTokens, cut: { meanTokens: (2 * maxTokens) / 3 }, onNotice }),
};

/** Those that need a language model, by name. */
export const modelChunkerKinds: Readonly<Record<string, (losses: TokenLosses) => ChunkerKind>> = {
  perplexity: (losses) => (maxTokens) =>
    perplexityChunker({
      losses,
      maxTokens,
      targetTokens: Math.floor((2 * maxTokens) / 3),
      onNotice,
    }),
};
