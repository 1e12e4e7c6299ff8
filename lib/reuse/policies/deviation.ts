import { InvalidArgumentError } from '../../errors.js';
import { allStale, assertCount, assertRatio, budgetOf, ofStale } from '../budget.js';
import { heaviest } from '../heaviest.js';
import type { Narrowing, NarrowingView } from '../narrowing.js';
import type { PolicyInput, RecomputePolicy, RefreshPlan } from '../policy.js';

export interface DeviationPolicyOptions {
  /** Share of the passages' tokens that is computed again in the layers above the check layer, in [0, 1]; default 0.15. */
  readonly ratio?: number;
  /** Layer whose fresh and cached KV are compared; all tokens are computed up to it. Default 1. */
  readonly checkLayer?: number;
  /** What is compared; default `both`. The paper's public code looks at values, LMCache at keys. */
  readonly compare?: 'keys' | 'values' | 'both';
  /**
   * `gradual` (default): the set is chosen anew every `step` layers, from somewhat more than the ratio down to
   * somewhat less, the ratio on average. `once`: chosen at the check layer alone.
   */
  readonly filtering?: 'gradual' | 'once';
  /** Layers between two choices of gradual filtering; default 4. */
  readonly step?: number;
}

/** How far the share begins above and ends below the ratio. The paper gives no schedule. */
const spread = 0.25;

/**
 * Computes those tokens again whose fresh KV is furthest from the cached one: all tokens up to the check layer, then
 * the ones that deviate most (CacheBlend's high-KV-deviation tokens with gradual filtering, arXiv 2405.16444, section
 * 4). The layers up to the check layer are computed in full, which no ratio shows: see {@link recomputeRatio}.
 */
export function deviationPolicy(options: DeviationPolicyOptions = {}): RecomputePolicy {
  const {
    ratio = 0.15,
    checkLayer = 1,
    compare = 'both',
    filtering = 'gradual',
    step = 4,
  } = options;
  assertRatio('deviationPolicy', ratio);
  assertCount('deviationPolicy', 'step', step);
  if (!Number.isSafeInteger(checkLayer) || checkLayer < 0) {
    throw new InvalidArgumentError(
      `deviationPolicy: checkLayer is ${checkLayer}; give the number of a layer, from 0.`,
    );
  }
  const sharesByLayer = (first: number, layers: number): [layer: number, share: number][] => {
    if (filtering === 'once' || ratio === 0) return [[first, ratio]];
    const shares: [number, number][] = [];
    // All that there is can be no more than all.
    const sway = Math.min(spread, 1 / ratio - 1);
    for (let layer = first; layer < layers; layer += step) {
      const depth = (layer - first) / Math.max(1, layers - first - 1);
      shares.push([layer, ratio * (1 + sway * (1 - 2 * depth))]);
    }
    return shares;
  };
  const name = `deviation(${ratio}, layer ${checkLayer}, ${compare}, ${filtering})`;
  return {
    name,
    plan({ model, passages }: PolicyInput): RefreshPlan {
      const first = checkLayer + 1;
      if (first >= model.layers) {
        throw new InvalidArgumentError(
          `checkLayer is ${checkLayer}, but the model has ${model.layers} layers.`,
        );
      }
      const narrowAt = (layer: number, share: number): Narrowing => ({
        layer,
        deviation: true,
        reason: `the ${(100 * share).toFixed(0)}% whose KV deviates most at layer ${layer - 1}`,
        keep: (view) =>
          heaviestLive(
            view,
            scoresOf(view, compare),
            ofStale(passages, view.live),
            budgetOf(passages, share),
          ),
      });
      const narrowing = sharesByLayer(first, model.layers).map(([layer, share]) =>
        narrowAt(layer, share),
      );
      return {
        policy: name,
        passages: allStale(passages, 'to see how far it is from what is kept'),
        narrowing,
      };
    },
  };
}

/** One score for each live token of each passage. */
function scoresOf(
  { deviation }: NarrowingView,
  compare: 'keys' | 'values' | 'both',
): Float32Array[] {
  const { keys = [], values = [] } = deviation ?? {};
  if (compare === 'keys') return [...keys];
  if (compare === 'values') return [...values];
  return keys.map((list, i) => list.map((key, j) => key + (values[i]?.[j] ?? 0)));
}

/** The tokens with the highest scores, for each passage. */
export function heaviestLive(
  { live }: Pick<NarrowingView, 'live'>,
  scores: readonly Float32Array[],
  stale: readonly (Int32Array | undefined)[],
  count: number,
): Int32Array[] {
  const rows = scores.map((row, i) => (stale[i] ? row : undefined));
  return heaviest(rows, count).map((places, i) => places.map((place) => live[i]?.[place] ?? 0));
}
