import { InvalidArgumentError } from '../../errors.js';
import { assertCount, assertRatio, budgetOf, ofStale, refreshes } from '../budget.js';
import { heaviest } from '../heaviest.js';
import type { PolicyInput, RecomputePolicy, RefreshPlan } from '../policy.js';
import { evened, smoothed } from '../scores.js';

export interface QuestionPolicyOptions {
  /** Share of the passages' tokens that is computed again, in [0, 1]; default 0.15. */
  readonly ratio?: number;
  /** Layers whose attention counts, ascending; default {@link ModelInfo.probeLayers}. */
  readonly layers?: readonly number[];
  /** The last so many tokens of the prompt ask; default all from the question on. Fewer take less time, and find less. */
  readonly lastTokens?: number;
  /**
   * Neighbours on each side that share a token's weight, so that runs of tokens are picked rather than single ones.
   * Default 0.
   */
  readonly neighbours?: number;
  /**
   * How far passages are treated alike, in [0, 1]: with 1 a token counts by its share of its passage's attention,
   * with 0 (default) by its share of all.
   */
  readonly evenness?: number;
}

/**
 * Computes those tokens again that the question looks at most: its attention over the cached keys,
 * summed over heads and tokens (after ProphetKV, arXiv 2602.02579). Passages whose KV is exact are left alone.
 */
export function questionPolicy(options: QuestionPolicyOptions = {}): RecomputePolicy {
  const { ratio = 0.15, layers, lastTokens, neighbours = 0, evenness = 0 } = options;
  assertRatio('questionPolicy', ratio);
  if (lastTokens !== undefined) assertCount('questionPolicy', 'lastTokens', lastTokens);
  assertRatio('questionPolicy', evenness, 'evenness');
  if (!Number.isSafeInteger(neighbours) || neighbours < 0) {
    throw new InvalidArgumentError(
      `questionPolicy: neighbours is ${neighbours}; give a whole number of at least 0.`,
    );
  }
  const settings = [
    String(ratio),
    layers && `layers ${layers.join(' ')}`,
    neighbours > 0 && `${neighbours} neighbours`,
    evenness > 0 && `evenness ${evenness}`,
  ];
  const name = `question(${settings.filter(Boolean).join(', ')})`;
  return {
    name,
    async plan({ passages, probes }: PolicyInput): Promise<RefreshPlan> {
      const count = budgetOf(passages, ratio);
      if (count === 0) return { policy: name, passages: [] };
      const attention = await probes.questionAttention({
        ...(lastTokens !== undefined && { lastTokens }),
        ...(layers && { layers }),
      });
      const scores = evened(smoothed(attention.passages, neighbours), evenness);
      const picked = heaviest(ofStale(passages, scores), count);
      return { policy: name, passages: refreshes(picked, 'the question looks at them most') };
    },
  };
}
