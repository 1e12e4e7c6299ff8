import { InvalidArgumentError } from '../../errors.js';

/** NaN of nothing. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / values.length;
}

/**
 * The middle of values, between the two middle ones where their number is even.
 * @throws InvalidArgumentError
 */
export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

/**
 * Linear between the two nearest order statistics (Hyndman and Fan's type 7).
 * @param share in [0, 1]
 * @throws InvalidArgumentError
 */
export function quantile(values: ArrayLike<number>, share: number): number {
  if (!(share >= 0 && share <= 1)) {
    throw new InvalidArgumentError(`quantile: share is ${share}; give a number from 0 to 1.`);
  }
  return quantileOfSorted(Float64Array.from(values).sort(), share);
}

/** The same of values that ascend. */
export function quantileOfSorted(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? NaN;
  const above = sorted[Math.ceil(at)] ?? NaN;
  return below + (at - Math.floor(at)) * (above - below);
}
