import { InvalidArgumentError } from '../errors.js';
import type { QuestionProbe } from '../select/question-probe.js';
import { readCandidates } from '../select/candidate-reading.js';
import type { Reranker } from './reranker.js';

export interface AttentionRerankerOptions {
  /** For example `weave.probe`. */
  readonly probe: QuestionProbe;
  /** Layers whose attention counts, ascending; default {@link ModelInfo.probeLayers}. */
  readonly layers?: readonly number[];
  /** Candidates whose keys and values are not kept stay where they are (`leave`, default), or are encoded (`encode`). */
  readonly missing?: 'encode' | 'leave';
  /** Hears how many candidates stay where they are. */
  readonly onNote?: (note: string) => void;
}

/**
 * Orders candidates by how much of the question's attention goes to each, all of them in one pass ({@link readCandidates}). Scores
 * are attention in units of what the prefix and the question got, or 1 / rank where some candidate could not be looked at.
 */
export function attentionReranker(options: AttentionRerankerOptions): Reranker {
  const { onNote, ...reading } = options;
  return {
    name: 'attention',
    async rerank({ question, candidates, k = Math.max(1, candidates.length), signal }) {
      if (!Number.isSafeInteger(k) || k < 1) {
        throw new InvalidArgumentError(`rerank: k is ${k}; give a whole number of at least 1.`);
      }
      if (candidates.length === 0) return [];
      const { ranking, missing } = await readCandidates({
        ...reading,
        question,
        candidates,
        ...(signal && { signal }),
      });
      if (missing > 0) {
        onNote?.(
          `${missing} of ${candidates.length} candidates kept their place: their keys and values are not there yet.`,
        );
      }
      return ranking.slice(0, k);
    },
  };
}
