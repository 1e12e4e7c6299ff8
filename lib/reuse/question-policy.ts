import { InvalidArgumentError } from '../errors.js';
import { heaviest } from './heaviest.js';
import type { PassageRefresh, PolicyInput, RecomputePolicy, RefreshPlan } from './policy.js';

export interface QuestionPolicyOptions {
  /** Share of the passages' tokens that is computed again, in [0, 1]; default 0.15. */
  readonly ratio?: number;
  /** Layers whose attention counts, ascending; default {@link ModelInfo.probeLayers}. */
  readonly layers?: readonly number[];
}

/**
 * Computes those tokens again that the question looks at most: its attention over the cached keys, summed
 * over heads and question tokens. Passages whose KV is exact are left alone.
 */
export function questionPolicy(options: QuestionPolicyOptions = {}): RecomputePolicy {
  const { ratio = 0.15, layers } = options;
  if (!(ratio >= 0 && ratio <= 1)) {
    throw new InvalidArgumentError(
      `questionPolicy: ratio is ${ratio}; give the share to recompute, from 0 to 1.`,
    );
  }
  const name = `question(${ratio}${layers ? `, layers ${layers.join(' ')}` : ''})`;
  return {
    name,
    async plan({ passages, probes }: PolicyInput): Promise<RefreshPlan> {
      let total = 0;
      let stale = 0;
      for (const { tokens, exact } of passages) {
        total += tokens.length;
        if (!exact) stale += tokens.length;
      }
      const count = Math.min(stale, Math.round(ratio * total));
      if (count === 0) return { policy: name, passages: [] };
      const attention = await probes.questionAttention(layers ? { layers } : {});
      const picked = heaviest(
        passages.map(({ exact }, i) => (exact ? undefined : attention.passages[i])),
        count,
      );
      const refreshes: PassageRefresh[] = [];
      for (const [passage, tokens] of picked.entries()) {
        if (tokens.length === 0) continue;
        refreshes.push({ passage, tokens, reason: 'the question looks at them most' });
      }
      return { policy: name, passages: refreshes };
    },
  };
}
