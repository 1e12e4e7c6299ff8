import { seededRandom } from '../../random.js';
import { assertRatio, budgetOf, ofStale, refreshes } from '../budget.js';
import { heaviest } from '../heaviest.js';
import type { PolicyInput, RecomputePolicy } from '../policy.js';

export interface RandomPolicyOptions {
  /** Share of the passages' tokens that is computed again, in [0, 1]; default 0.15. */
  readonly ratio?: number;
  /** Whole number; the same seed picks the same tokens of the same passages. Default 1. */
  readonly seed?: number;
}

/** Tokens by chance: what any other choice must beat. */
export function randomPolicy({
  ratio = 0.15,
  seed = 1,
}: RandomPolicyOptions = {}): RecomputePolicy {
  assertRatio('randomPolicy', ratio);
  const name = `random(${ratio}, seed ${seed})`;
  return {
    name,
    plan({ passages }: PolicyInput) {
      const random = seededRandom(seed);
      const scores = passages.map(({ tokens }) => Float32Array.from(tokens, () => random()));
      const picked = heaviest(ofStale(passages, scores), budgetOf(passages, ratio));
      return { policy: name, passages: refreshes(picked, 'by chance') };
    },
  };
}
