import { InvalidArgumentError } from '../errors.js';
import { assertCount } from '../retrieve/ranking.js';
import type { Reranker } from './reranker.js';
import { reorderKnown } from './reorder-known.js';

export interface CrossEncoderOptions {
  /** Of the model, for people; default `cross-encoder`. */
  readonly name?: string;
  /** One score a pair, higher for a passage that fits its question better. Equal pairs get equal scores. */
  readonly score: (
    pairs: readonly QuestionPassage[],
    options: { readonly signal?: AbortSignal },
  ) => Promise<ArrayLike<number>>;
  /** Pairs scored in one call; default 16. */
  readonly batchSize?: number;
}

/** What a cross-encoder reads at once. */
export interface QuestionPassage {
  readonly question: string;
  readonly passage: string;
}

/**
 * A reranker over a model that reads question and passage together. A passage whose score is no finite number keeps its place.
 *
 * `rerank` throws InvalidArgumentError where there are not as many scores as pairs.
 *
 * @throws InvalidArgumentError for a batch size that cannot be
 */
export function crossEncoderReranker(options: CrossEncoderOptions): Reranker {
  const { name = 'cross-encoder', score, batchSize = 16 } = options;
  assertCount('batchSize', batchSize);
  return {
    name,
    async rerank({ question, candidates, k = Math.max(1, candidates.length), signal }) {
      assertCount('k', k);
      const scores: (number | undefined)[] = [];
      for (let at = 0; at < candidates.length; at += batchSize) {
        signal?.throwIfAborted();
        const pairs = candidates
          .slice(at, at + batchSize)
          .map(({ chunk }) => ({ question, passage: chunk.text }));
        const given = await score(pairs, signal ? { signal } : {});
        if (given.length !== pairs.length) {
          throw new InvalidArgumentError(
            `The cross-encoder "${name}" gave ${given.length} scores for ${pairs.length} pairs.`,
          );
        }
        for (let i = 0; i < given.length; i++) {
          scores.push(Number.isFinite(given[i]) ? given[i] : undefined);
        }
      }
      signal?.throwIfAborted();
      return reorderKnown(candidates, scores).slice(0, k);
    },
  };
}
