import { InvalidArgumentError } from '../../errors.js';
import { allStale, assertCount, assertRatio, budgetOf, ofStale } from '../budget.js';
import { type LoadedRatio, ratioWithinLoad } from '../cost/ratio-within-load.js';
import { heaviest } from '../heaviest.js';
import type { Narrowing, NarrowingView } from '../narrowing.js';
import type { PolicyInput, RecomputePolicy, RefreshPlan } from '../policy.js';

export interface DeviationPolicyOptions {
  /** Share of the passages' tokens that is computed again in the layers above the check layer, in [0, 1]; default 0.15. */
  readonly ratio?: number;
  /**
   * Instead of a ratio: as much as can be computed while KV is loaded from where it is kept (CacheBlend's controller,
   * {@link ratioWithinLoad}), by what computing a token was measured to take; the least while nothing was.
   */
  readonly load?: Pick<LoadedRatio, 'loadMsPerToken' | 'least'>;
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
    ratio: fixed = 0.15,
    load,
    checkLayer = 1,
    compare = 'both',
    filtering = 'gradual',
    step = 4,
  } = options;
  assertRatio('deviationPolicy', fixed);
  if (load && options.ratio !== undefined) {
    throw new InvalidArgumentError('deviationPolicy: load picks the ratio; leave out one of both.');
  }
  // Refused now rather than when the first question is asked.
  if (load) ratioWithinLoad({ ...load, msPerToken: undefined });
  assertCount('deviationPolicy', 'step', step);
  if (!Number.isSafeInteger(checkLayer) || checkLayer < 0) {
    throw new InvalidArgumentError(
      `deviationPolicy: checkLayer is ${checkLayer}; give the number of a layer, from 0.`,
    );
  }
  const sharesByLayer = (
    ratio: number,
    first: number,
    layers: number,
  ): [layer: number, share: number][] => {
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
  const asked = load ? `within ${load.loadMsPerToken} ms of loading a token` : fixed;
  const name = `deviation(${asked}, layer ${checkLayer}, ${compare}, ${filtering})`;
  return {
    name,
    plan({ model, passages, msPerToken }: PolicyInput): RefreshPlan {
      const ratio = load ? ratioWithinLoad({ ...load, msPerToken }) : fixed;
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
      const narrowing = sharesByLayer(ratio, first, model.layers).map(([layer, share]) =>
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
