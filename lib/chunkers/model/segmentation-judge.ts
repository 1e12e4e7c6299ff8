import type { Chunk } from '../../document.js';
import { InvalidArgumentError } from '../../errors.js';
import { chunkScore, type ChunkScoreOptions } from '../../evaluate/chunking/chunk-score.js';

/** Tells which of several segmentations of one text is the best. */
export interface SegmentationJudge {
  /** Changes whenever the scores would. */
  readonly fingerprint: string;
  /** Higher is better. */
  score(
    chunks: readonly Pick<Chunk, 'text' | 'tokens'>[],
    options: { readonly signal?: AbortSignal },
  ): Promise<number>;
}

export type ChunkScoreJudgeOptions = Omit<ChunkScoreOptions, 'signal'>;

/**
 * Judges by `chunkScore` of `chunkweave/evaluate` (QChunker, arXiv 2603.11650). Documents must have the tokens of the model
 * whose losses they are.
 *
 * @throws InvalidArgumentError for a `lambda` out of range
 */
export function chunkScoreJudge(options: ChunkScoreJudgeOptions): SegmentationJudge {
  const { losses, embedder, lambda = 0.3, alpha = 0.001, emptyContext } = options;
  if (!(lambda >= 0 && lambda <= 1)) {
    throw new InvalidArgumentError(`chunkScoreJudge: lambda is ${lambda}; give 0 to 1.`);
  }
  return {
    fingerprint: JSON.stringify([
      'chunk-score',
      losses.fingerprint,
      embedder.fingerprint,
      lambda,
      alpha,
      [...(emptyContext ?? [])],
    ]),
    score: async (chunks, { signal }) =>
      (await chunkScore(chunks, { ...options, ...(signal && { signal }) })).score,
  };
}
