import { InvalidArgumentError } from '../../errors.js';
import type { QuestionProbe } from '../question-probe.js';
import type { SetValue } from '../selector.js';
import { type Calibration, likelihoodScore } from './question-likelihood.js';

export interface QueryLikelihoodValueOptions {
  /** For example `weave.probe`. */
  readonly probe: QuestionProbe;
  /** Default `contextual`: the empty set is worth 0. */
  readonly calibration?: Calibration;
  /**
   * Chunks without keys and values are encoded, and kept, when their set is first looked at (`encode`, default), or count as if they
   * were not there (`leave`).
   */
  readonly missing?: 'encode' | 'leave';
  /** {@link LossesOptions.refresh}; default 0. */
  readonly refresh?: number;
}

/**
 * Values a set by how likely the question is behind it: log P(question | set), the set woven from cached keys and values. A set is
 * computed as it will stand in the prompt, but for what a policy would compute again.
 *
 * @throws InvalidArgumentError
 */
export function queryLikelihoodValue(options: QueryLikelihoodValueOptions): SetValue {
  const { probe, calibration = 'contextual', missing = 'encode', refresh = 0 } = options;
  if (!(refresh >= 0 && refresh <= 1)) {
    throw new InvalidArgumentError(
      `queryLikelihoodValue: refresh is ${refresh}; give a share from 0 to 1.`,
    );
  }
  /** Of the question asked last: what it is worth by itself. */
  let last: { readonly question: string; readonly alone: Float32Array } | undefined;
  return {
    name: `query-likelihood${calibration === 'contextual' ? '' : `(${calibration})`}`,
    async of(sets, { question, signal }) {
      if (sets.length === 0) return [];
      const known = last?.question === question ? last.alone : undefined;
      const needsAlone = calibration !== 'none' && !known;
      const chunks = sets.map((set) => set.map(({ chunk }) => chunk));
      const { sets: losses } = await probe.losses(needsAlone ? [...chunks, []] : chunks, {
        question,
        missing,
        ...(refresh > 0 && { refresh }),
        ...(signal && { signal }),
      });
      const alone = needsAlone ? (losses.at(-1) as Float32Array) : known;
      if (alone) last = { question, alone };
      return chunks.map((_, i) => likelihoodScore(losses[i] as Float32Array, alone, calibration));
    },
  };
}
