import { allStale, assertCount, assertRatio, budgetOf, ofStale } from '../budget.js';
import type { PolicyInput, RecomputePolicy, RefreshPlan } from '../policy.js';
import { heaviestLive } from './deviation.js';

export interface DualStagePolicyOptions {
  /** Share of the passages' tokens that is computed again above the check layer, in [0, 1]; default 0.15. */
  readonly ratio?: number;
  /** Layer whose fresh and cached KV are compared; all tokens are computed up to it. Default 1. */
  readonly checkLayer?: number;
  /** Layers whose attention counts, ascending; default {@link ModelInfo.probeLayers}. */
  readonly layers?: readonly number[];
  /** The last so many tokens of the prompt ask; default all from the question on. */
  readonly lastTokens?: number;
}

/**
 * Computes those tokens again whose deviation, weighted by the question's attention, is highest: a stale token matters
 * as much as it is looked at (after KVShare's DHD, arXiv 2503.16525, whose formula is not public: here attention mass
 * times the L2 distance of fresh and cached keys and values).
 */
export function dualStagePolicy(options: DualStagePolicyOptions = {}): RecomputePolicy {
  const { ratio = 0.15, checkLayer = 1, layers, lastTokens } = options;
  assertRatio('dualStagePolicy', ratio);
  if (lastTokens !== undefined) assertCount('dualStagePolicy', 'lastTokens', lastTokens);
  const name = `dual-stage(${ratio}, layer ${checkLayer})`;
  return {
    name,
    async plan({ passages, probes }: PolicyInput): Promise<RefreshPlan> {
      const attention = await probes.questionAttention({
        ...(lastTokens !== undefined && { lastTokens }),
        ...(layers && { layers }),
      });
      return {
        policy: name,
        passages: allStale(passages, 'to see how far it is from what is kept'),
        narrowing: [
          {
            layer: checkLayer + 1,
            deviation: true,
            reason: `the ${(100 * ratio).toFixed(0)}% whose deviation counts most for the question`,
            keep(view) {
              const scores = view.live.map((tokens, i) =>
                Float32Array.from(tokens, (token, j) => {
                  const { keys, values } = view.deviation ?? { keys: [], values: [] };
                  const distance = Math.sqrt((keys[i]?.[j] ?? 0) + (values[i]?.[j] ?? 0));
                  return distance * (attention.passages[i]?.[token] ?? 0);
                }),
              );
              return heaviestLive(
                view,
                scores,
                ofStale(passages, view.live),
                budgetOf(passages, ratio),
              );
            },
          },
        ],
      };
    },
  };
}
