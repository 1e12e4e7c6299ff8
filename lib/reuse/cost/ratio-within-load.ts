import { InvalidArgumentError } from '../../errors.js';

export interface LoadedRatio {
  /** Milliseconds that loading the KV of a token takes, all layers of it. */
  readonly loadMsPerToken: number;
  /** Milliseconds that computing a token takes; undefined while nothing was measured. */
  readonly msPerToken: number | undefined;
  /** What quality needs in any case, a share in [0, 1]; default 0.15. */
  readonly least?: number;
}

/**
 * The share of tokens that can be computed again in the time that their KV takes to load, while computing and loading go on
 * side by side: CacheBlend's loading controller (arXiv 2405.16444, footnotes 5 and 6), `r = max(r of T_recompute(r) = T_load, r*)`,
 * where both times grow with the tokens, so that `r = loadMsPerToken / msPerToken`, and 1 at most.
 * @throws InvalidArgumentError for times that are none, or a share outside [0, 1]
 */
export function ratioWithinLoad({ loadMsPerToken, msPerToken, least = 0.15 }: LoadedRatio): number {
  for (const [name, ms] of Object.entries({ loadMsPerToken, msPerToken: msPerToken ?? 0 })) {
    if (ms >= 0 && ms < Infinity) continue;
    throw new InvalidArgumentError(`${name} is ${ms}; give milliseconds of at least 0.`);
  }
  if (!(least >= 0 && least <= 1)) {
    throw new InvalidArgumentError(`least is ${least}; give a share from 0 to 1.`);
  }
  if (!msPerToken) return least;
  return Math.min(1, Math.max(least, loadMsPerToken / msPerToken));
}
