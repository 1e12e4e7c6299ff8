import {
  binomialTest,
  bootstrapMean,
  type BootstrapOptions,
  type Interval,
} from '../../../lib/evaluate/index.js';
import type { ArmResult } from '../lab.js';
import type { ArmResults } from './results.js';

/** How well the order of passages is read after a full prefill. */
export interface SortReadable {
  readonly pairs: number;
  readonly right: number;
  /** One-sided: how likely chance alone gives as many. */
  readonly p: number;
  /** Above chance at 5%; where it is not, there is nothing that reuse could lose. */
  readonly isAboveChance: boolean;
}

/** Nothing where it was not asked for. Each case counts once, whatever number of arms has it. */
export function sortReadable(results: readonly ArmResults[]): SortReadable | undefined {
  const byCase = new Map<string, ArmResult>();
  for (const arm of results) for (const [id, result] of arm.byCase) byCase.set(id, result);
  let [pairs, right] = [0, 0];
  for (const { fullSort, sortPairs } of byCase.values()) {
    if (fullSort === undefined || sortPairs === undefined) continue;
    pairs += sortPairs;
    right += Math.round(fullSort * sortPairs);
  }
  if (pairs === 0) return undefined;
  const p = binomialTest(right, pairs);
  return { pairs, right, p, isAboveChance: p < 0.05 };
}

/** Share of pairs whose order is read rightly, mean over cases. Nothing where it was not asked of all of them. */
export function sortShare(
  list: readonly ArmResult[],
  options?: BootstrapOptions,
): Interval | undefined {
  const shares = list.flatMap(({ sort }) => (sort === undefined ? [] : [sort]));
  return shares.length > 0 && shares.length === list.length
    ? bootstrapMean(shares, options)
    : undefined;
}
