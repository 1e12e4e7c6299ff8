import { InvalidArgumentError } from '../../errors.js';

/**
 * Measures of one ranking, from the gain of each hit: how much of what was looked for it holds that no hit before it
 * held, of 1 in all. Where a question has n relevant passages and each counts the same, a hit's gain is 1 / n or 0.
 */
export type Gains = ArrayLike<number>;

/** Share of what was looked for among the first `k` hits, in [0, 1]. */
export function recallAt(gains: Gains, k: number): number {
  assertRank(k);
  let sum = 0;
  for (let i = 0; i < Math.min(k, gains.length); i++) sum += gains[i] as number;
  // Shares that add up to 1 may do so but for rounding.
  return Math.min(1, sum);
}

/** 1 / rank of the first hit with a gain, ranks from 1; 0 where none has. Its mean over questions is the MRR. */
export function reciprocalRank(gains: Gains): number {
  for (let i = 0; i < gains.length; i++) if ((gains[i] as number) > 0) return 1 / (i + 1);
  return 0;
}

/**
 * Discounted cumulative gain, the sum of `gain / log2(rank + 1)` over the first `k` hits, against that of the best ranking
 * there could be (Järvelin and Kekäläinen, TOIS 20(4), 2002, with the discount that is usual since). In [0, 1]; 0 where there
 * is nothing to gain.
 *
 * @param ideal gains of all passages, as the best ranking has them; any order
 */
export function normalisedGain(gains: Gains, ideal: Gains, k: number): number {
  assertRank(k);
  const best = discounted(Float64Array.from(ideal).sort().toReversed(), k);
  return best > 0 ? Math.min(1, discounted(gains, k) / best) : 0;
}

function discounted(gains: Gains, k: number): number {
  let sum = 0;
  for (let i = 0; i < Math.min(k, gains.length); i++)
    sum += (gains[i] as number) / Math.log2(i + 2);
  return sum;
}

function assertRank(k: number): void {
  if (Number.isInteger(k) && k >= 1) return;
  throw new InvalidArgumentError(`k must be a whole number of at least 1, not ${k}.`);
}
