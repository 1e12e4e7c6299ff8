import { InvalidArgumentError } from '../../errors.js';
import { seededInteger, seededRandom } from '../../random.js';
import { quantileOfSorted } from './summary.js';

export interface BootstrapOptions {
  /** Default 0.95. */
  readonly confidence?: number;
  /** Samples drawn; default 2,000. */
  readonly samples?: number;
  /** The same seed gives the same interval. Default 1. */
  readonly seed?: number;
}

/** A value and the ends of its confidence interval. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * A statistic of cases, with the percentile interval of its bootstrap distribution: whole cases are drawn with
 * replacement, so whatever was measured of one case stays together (Efron and Tibshirani, An Introduction to the
 * Bootstrap, chapter 13).
 *
 * @param statistic of the cases with these numbers, some of them more than once
 * @throws InvalidArgumentError without cases, or for options that cannot be
 */
export function bootstrap(
  cases: number,
  statistic: (drawn: Int32Array) => number,
  options: BootstrapOptions = {},
): Interval {
  const { confidence = 0.95 } = options;
  const value = statistic(Int32Array.from({ length: cases }, (_, i) => i));
  const drawn = draws(cases, statistic, options);
  const tail = (1 - confidence) / 2;
  return { value, low: quantileOfSorted(drawn, tail), high: quantileOfSorted(drawn, 1 - tail) };
}

/** The bootstrap distribution, ascending; samples in which the statistic is none are left out. */
function draws(
  cases: number,
  statistic: (drawn: Int32Array) => number,
  { confidence = 0.95, samples = 2000, seed = 1 }: BootstrapOptions,
): Float64Array {
  if (!(cases > 0)) throw new InvalidArgumentError('bootstrap: there are no cases.');
  if (!(confidence > 0 && confidence < 1)) {
    throw new InvalidArgumentError(`bootstrap: confidence is ${confidence}; give 0 to 1.`);
  }
  if (!(Number.isSafeInteger(samples) && samples > 0)) {
    throw new InvalidArgumentError(`bootstrap: samples is ${samples}; give a whole number.`);
  }
  const random = seededRandom(seed);
  const drawn = new Int32Array(cases);
  const values: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    for (let i = 0; i < cases; i++) drawn[i] = seededInteger(random, cases);
    const value = statistic(drawn);
    if (!Number.isNaN(value)) values.push(value);
  }
  return Float64Array.from(values).sort();
}

/** The mean of values, one a case. */
export function bootstrapMean(values: ArrayLike<number>, options?: BootstrapOptions): Interval {
  return bootstrap(values.length, (drawn) => meanOf(values, drawn), options);
}

/**
 * Share of a gap that is closed, `1 - sum(values) / sum(baseline)`: 1 where nothing is left of it. One value a case.
 * @throws InvalidArgumentError when there are not as many of both
 */
export function bootstrapShareClosed(
  baseline: ArrayLike<number>,
  values: ArrayLike<number>,
  options?: BootstrapOptions,
): Interval {
  assertPaired(baseline, values);
  return bootstrap(
    values.length,
    (drawn) => 1 - meanOf(values, drawn) / meanOf(baseline, drawn),
    options,
  );
}

export function assertPaired(a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length === b.length) return;
  throw new InvalidArgumentError(`${a.length} values cannot be paired with ${b.length}.`);
}

function meanOf(values: ArrayLike<number>, drawn: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < drawn.length; i++) sum += values[drawn[i] as number] as number;
  return sum / drawn.length;
}
