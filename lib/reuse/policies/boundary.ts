import { assertCount, assertRatio, budgetOf, refreshes, staleTokens } from '../budget.js';
import type { PolicyInput, RecomputePolicy } from '../policy.js';

export type BoundaryPolicyOptions =
  /** First tokens of each passage; default 16. */
  | { readonly tokens?: number; readonly ratio?: undefined }
  /** Share of the passages' tokens, in [0, 1], each passage giving the same share of its own. */
  | { readonly ratio: number; readonly tokens?: undefined };

/**
 * Computes the first tokens of each passage again: those that took the place of a beginning when it was encoded, and
 * draw attention ever since (EPIC's LegoLink, arXiv 2410.15332). Needs no probe.
 */
export function boundaryPolicy(options: BoundaryPolicyOptions = {}): RecomputePolicy {
  const { ratio, tokens = 16 } = options;
  if (ratio === undefined) assertCount('boundaryPolicy', 'tokens', tokens);
  else assertRatio('boundaryPolicy', ratio);
  const name = `boundary(${ratio ?? `${tokens} tokens`})`;
  return {
    name,
    plan({ passages }: PolicyInput) {
      const stale = staleTokens(passages);
      const share = ratio === undefined || stale === 0 ? 0 : budgetOf(passages, ratio) / stale;
      const picked = passages.map((passage) => {
        const { length } = passage.tokens;
        const count = ratio === undefined ? tokens : Math.round(share * length);
        return Int32Array.from(
          { length: passage.exact ? 0 : Math.min(count, length) },
          (_, i) => i,
        );
      });
      return { policy: name, passages: refreshes(picked, 'it begins with them') };
    },
  };
}
