import { InvalidArgumentError } from '../../errors.js';
import { quantileOfSorted } from '../statistics/summary.js';

/** Sizes of chunks, in the unit in which they were given. */
export interface SizeDistribution {
  readonly count: number;
  readonly mean: number;
  /** Standard deviation over the mean. */
  readonly variation: number;
  readonly min: number;
  readonly p5: number;
  readonly median: number;
  readonly p95: number;
  readonly max: number;
}

/** @throws InvalidArgumentError without sizes */
export function sizeDistribution(sizes: ArrayLike<number>): SizeDistribution {
  const sorted = Float64Array.from(sizes).sort();
  const count = sorted.length;
  if (count === 0) throw new InvalidArgumentError('There are no sizes.');
  let sum = 0;
  for (const size of sorted) sum += size;
  const mean = sum / count;
  let squares = 0;
  for (const size of sorted) squares += (size - mean) ** 2;
  return {
    count,
    mean,
    variation: Math.sqrt(squares / count) / mean,
    min: sorted[0] as number,
    p5: quantileOfSorted(sorted, 0.05),
    median: quantileOfSorted(sorted, 0.5),
    p95: quantileOfSorted(sorted, 0.95),
    max: sorted[count - 1] as number,
  };
}
