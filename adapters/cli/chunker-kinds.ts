import {
  type Chunker,
  chunkScoreJudge,
  contentDefinedChunker,
  engineLanguageModel,
  engineLosses,
  fixedChunker,
  htmlChunker,
  lumberChunker,
  marginChunker,
  markdownChunker,
  type OnChunkingNotice,
  outlinedChunker,
  perplexityChunker,
  questionAwareChunker,
  recursiveChunker,
  sentenceChunker,
} from '../../lib/index.js';
import type { OpenedModels } from './models.js';

export interface ChunkSizes {
  readonly maxTokens: number;
  readonly overlapTokens?: number;
}

/** Chunkers that need no model, by name. */
export const plainChunkers: Readonly<Record<string, (sizes: ChunkSizes) => Chunker>> = {
  recursive: recursiveChunker,
  fixed: fixedChunker,
  sentence: sentenceChunker,
  'content-defined': contentDefinedChunker,
  outlined: outlinedChunker,
  markdown: markdownChunker,
  html: htmlChunker,
};

/** Those whose passages may overlap. */
export const overlappingChunkers: ReadonlySet<string> = new Set([
  'recursive',
  'outlined',
  'fixed',
  'sentence',
]);

export interface ModelChunkerOptions {
  readonly maxTokens: number;
  readonly models: Pick<OpenedModels, 'engine' | 'embedder'>;
  readonly onNotice: OnChunkingNotice;
}

/** An engine here answers, however slowly; what takes too long is for the person to stop. */
const timeoutMs = 3_600_000;

/** Chunkers that ask a model, by name. */
export const modelChunkers: Readonly<Record<string, (options: ModelChunkerOptions) => Chunker>> = {
  perplexity: ({ maxTokens, models: { engine }, onNotice }) =>
    perplexityChunker({ losses: engineLosses({ engine }), maxTokens, onNotice }),
  margin: ({ maxTokens, models: { engine }, onNotice }) =>
    marginChunker({ model: engineLanguageModel(engine), maxTokens, timeoutMs, onNotice }),
  lumber: ({ maxTokens, models: { engine }, onNotice }) =>
    lumberChunker({ model: engineLanguageModel(engine), maxTokens, timeoutMs, onNotice }),
  'question-aware': ({ maxTokens, models: { engine, embedder }, onNotice }) =>
    questionAwareChunker({
      model: engineLanguageModel(engine),
      maxTokens,
      timeoutMs,
      onNotice,
      // Without an embedder nothing tells several answers apart, and one is asked for.
      ...(embedder && { judge: chunkScoreJudge({ losses: engineLosses({ engine }), embedder }) }),
    }),
};

/** Of these, those that want an embedder too. */
export const embeddingChunkers: ReadonlySet<string> = new Set(['question-aware']);
