import { InvalidArgumentError } from '../errors.js';
import type { ScoredChunk } from '../retrieve/retriever.js';
import type { QuestionProbe } from '../select/question-probe.js';
import { type Calibration, likelihoodScore } from '../select/values/question-likelihood.js';
import { reorderKnown } from './reorder-known.js';
import type { Reranker } from './reranker.js';

export interface QueryLikelihoodRerankerOptions {
  /** For example `weave.probe`. */
  readonly probe: QuestionProbe;
  /** Default `none`, which orders as `contextual` does and takes one set less. */
  readonly calibration?: Calibration;
  /**
   * Share of the candidates' own scores, standardised, in the score that orders them, in [0, 1]; default 0: the likelihood
   * alone.
   */
  readonly prior?: number;
  /**
   * Candidates whose keys and values are not kept stay where they are (`leave`, default), or are encoded, which takes as long as their
   * tokens do (`encode`).
   */
  readonly missing?: 'encode' | 'leave';
  /** Hears how many candidates stay where they are. */
  readonly onNote?: (note: string) => void;
}

/**
 * Orders candidates by how likely the question is behind each of them alone (query likelihood, Ponte and Croft 1998, with the
 * model of the weave in the place of counts). The chunks come from the cache, so only the question's tokens are computed, many
 * candidates in one batch.
 *
 * Scores are nats a token (standardised where a `prior` counts), or 1 / rank where some candidate could not be judged.
 *
 * @throws InvalidArgumentError
 */
export function queryLikelihoodReranker(options: QueryLikelihoodRerankerOptions): Reranker {
  const { probe, calibration = 'none', prior = 0, missing = 'leave', onNote } = options;
  if (!(prior >= 0 && prior <= 1)) {
    throw new InvalidArgumentError(
      `queryLikelihoodReranker: prior is ${prior}; give a share from 0 to 1.`,
    );
  }
  return {
    name: 'query-likelihood',
    async rerank({ question, candidates, k = Math.max(1, candidates.length), signal }) {
      assertCount(k);
      if (candidates.length === 0) return [];
      const sets = candidates.map(({ chunk }) => [chunk]);
      const seen = await probe.losses(calibration === 'none' ? sets : [...sets, []], {
        question,
        missing,
        ...(signal && { signal }),
      });
      const alone = calibration === 'none' ? undefined : seen.sets.at(-1);
      const left = new Set(seen.missing);
      if (left.size > 0) {
        onNote?.(
          `${left.size} of ${candidates.length} candidates kept their place: their keys and values are not there yet.`,
        );
      }
      const scores = candidates.map(({ chunk }, i) =>
        left.has(chunk.id)
          ? undefined
          : likelihoodScore(seen.sets[i] as Float32Array, alone, calibration),
      );
      return reorderKnown(candidates, prior > 0 ? mixed(scores, candidates, prior) : scores).slice(
        0,
        k,
      );
    },
  };
}

/** Both on one scale: deviations from the mean of those that were judged. */
function mixed(
  scores: readonly (number | undefined)[],
  candidates: readonly ScoredChunk[],
  prior: number,
): (number | undefined)[] {
  const judged = candidates.map(({ score }, i) => (scores[i] === undefined ? undefined : score));
  const own = standardised(judged);
  return standardised(scores).map((score, i) =>
    score === undefined ? undefined : (1 - prior) * score + prior * (own[i] ?? 0),
  );
}

function standardised(values: readonly (number | undefined)[]): (number | undefined)[] {
  const known = values.filter((value) => value !== undefined);
  const mean = known.reduce((sum, value) => sum + value, 0) / Math.max(1, known.length);
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / Math.max(1, known.length));
  return values.map((value) =>
    value === undefined ? undefined : deviation > 0 ? (value - mean) / deviation : 0,
  );
}

function assertCount(k: number): void {
  if (Number.isSafeInteger(k) && k >= 1) return;
  throw new InvalidArgumentError(`rerank: k is ${k}; give a whole number of at least 1.`);
}
