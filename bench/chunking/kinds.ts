import {
  type ChunkingNotice,
  type Chunker,
  clusterChunker,
  contentDefinedChunker,
  type Embedder,
  fixedChunker,
  htmlChunker,
  intentChunker,
  type KvEngine,
  type LanguageModel,
  lumberChunker,
  marginChunker,
  markdownChunker,
  type OnChunkingNotice,
  outlinedChunker,
  perplexityChunker,
  questionAwareChunker,
  recursiveChunker,
  semanticChunker,
  sentenceChunker,
  type TokenLosses,
  trainedChunker,
} from '../../lib/index.js';
import { passedText } from './passed-text.js';

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

/** What those that need a language model are given. */
export interface ModelOf {
  readonly engine: KvEngine;
  readonly losses: TokenLosses;
  readonly model: LanguageModel;
  /** Of the model's file. */
  readonly modelFingerprint: string;
  readonly onNotice: OnChunkingNotice;
  /** Told of the tokens that a pass over a text computes. */
  readonly onComputed: (tokens: number) => void;
}

/** Kinds of chunkers that cut in as many chunks as a mean size makes, where their limit moves another setting. */
export type ModelChunkerKind = (given: ModelOf, meanTokens: number) => ChunkerKind;

/** Those that need a language model's losses, by name. */
export const lossChunkerKinds: Readonly<Record<string, ModelChunkerKind>> = {
  perplexity:
    ({ losses, onNotice }) =>
    (maxTokens) =>
      perplexityChunker({
        losses,
        onNotice,
        maxTokens,
        targetTokens: Math.floor((2 * maxTokens) / 3),
      }),
  'single-pass':
    ({ engine, onComputed }) =>
    (maxTokens) =>
      passedText(engine, { maxTokens, targetTokens: Math.floor((2 * maxTokens) / 3) }, onComputed),
};

/** So long may an answer take: a slow machine is not to change where a text is cut. */
const timeoutMs = 900_000;
/** More than what margins keep together; the target size is what joins it. */
const marginTokens = 1600;

/**
 * Those that ask a language model, by name. What is tuned is, where there is such a setting, one that changes no question:
 * the size up to which `margin` joins what was cut, and the size below which `question-aware` does.
 */
export const askingChunkerKinds: Readonly<Record<string, ModelChunkerKind>> = {
  // One run, as published.
  margin: (given) => (limit) =>
    marginChunker({
      ...asked(given),
      stable: false,
      maxTokens: marginTokens,
      targetTokens: Math.min(limit, marginTokens),
    }),
  lumber: (given) => (maxTokens) => lumberChunker({ ...asked(given), maxTokens }),
  'question-aware': (given, meanTokens) => (limit) =>
    questionAwareChunker({
      ...asked(given),
      maxTokens: 2 * meanTokens,
      targetTokens: meanTokens,
      minTokens: Math.min(meanTokens, Math.max(0, limit - (meanTokens >> 1))),
    }),
};

const asked = ({ model, modelFingerprint, onNotice }: ModelOf) => ({
  model,
  modelFingerprint,
  onNotice,
  timeoutMs,
});
