import { InvalidArgumentError } from '../errors.js';
import { heaviest } from './heaviest.js';
import type { PassageRefresh, PolicyInput, RecomputePolicy, RefreshPlan } from './policy.js';

export interface QuestionPolicyOptions {
  /** Share of the passages' tokens that is computed again, in [0, 1]; default 0.15. */
  readonly ratio?: number;
  /** Layers whose attention counts, ascending; default {@link ModelInfo.probeLayers}. */
  readonly layers?: readonly number[];
  /**
   * The last so many tokens of the prompt ask; default 12. They look at what the answer needs as well as the whole
   * question does, in a third of the time.
   */
  readonly lastTokens?: number;
}

/**
 * Computes those tokens again that the end of the question looks at most: its attention over the cached keys,
 * summed over heads and tokens (after ProphetKV, arXiv 2602.02579). Passages whose KV is exact are left alone.
 */
export function questionPolicy(options: QuestionPolicyOptions = {}): RecomputePolicy {
  const { ratio = 0.15, layers, lastTokens = 12 } = options;
  if (!(ratio >= 0 && ratio <= 1)) {
    throw new InvalidArgumentError(
      `questionPolicy: ratio is ${ratio}; give the share to recompute, from 0 to 1.`,
    );
  }
  if (!(Number.isSafeInteger(lastTokens) && lastTokens > 0)) {
    throw new InvalidArgumentError(
      `questionPolicy: lastTokens is ${lastTokens}; give a positive whole number.`,
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
      const attention = await probes.questionAttention({ lastTokens, ...(layers && { layers }) });
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
