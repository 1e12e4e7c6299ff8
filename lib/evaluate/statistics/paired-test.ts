import { seededRandom } from '../../random.js';
import { assertPaired, bootstrap, type BootstrapOptions } from './bootstrap.js';
import { mean } from './summary.js';

export interface PairedTestOptions {
  /** Signs drawn where all of them are too many; default 10,000. */
  readonly samples?: number;
  /** Default 1. */
  readonly seed?: number;
}

export interface PairedTest {
  /** Mean of `a - b`. */
  readonly difference: number;
  /** Two-sided: how often chance alone gives as large a difference. */
  readonly p: number;
}

/** All signs of so many cases are tried. */
const exactCases = 14;

/**
 * Sign-flip permutation test of paired values: if neither is better, each case's difference might as well have had
 * the other sign. Exact for up to 14 cases, sampled beyond.
 * @throws InvalidArgumentError when there are not as many of both
 */
export function pairedTest(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { samples = 10_000, seed = 1 }: PairedTestOptions = {},
): PairedTest {
  assertPaired(a, b);
  const differences = Float64Array.from(a, (value, i) => value - (b[i] as number));
  const difference = mean(differences);
  const observed = Math.abs(sum(differences, () => 1));
  // What is as large but for rounding counts as large.
  const limit = observed * (1 - 1e-12);
  let asLarge = 0;
  if (differences.length <= exactCases) {
    const all = 2 ** differences.length;
    for (let signs = 0; signs < all; signs++) {
      if (Math.abs(sum(differences, (i) => ((signs >> i) & 1 ? -1 : 1))) >= limit) asLarge++;
    }
    return { difference, p: asLarge / all };
  }
  const random = seededRandom(seed);
  for (let sample = 0; sample < samples; sample++) {
    if (Math.abs(sum(differences, () => (random() < 0.5 ? -1 : 1))) >= limit) asLarge++;
  }
  // The one that was observed is one of them.
  return { difference, p: (asLarge + 1) / (samples + 1) };
}

/**
 * p-values adjusted for having made so many tests (Holm's step-down method), in the order given.
 */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((_, i) => i).sort((x, y) => (ps[x] as number) - (ps[y] as number));
  const adjusted = Array.from<number>({ length: ps.length });
  let least = 0;
  for (const [rank, i] of order.entries()) {
    least = Math.max(least, Math.min(1, (ps.length - rank) * (ps[i] as number)));
    adjusted[i] = least;
  }
  return adjusted;
}

/**
 * Whether two arms are the same but for a margin: the 90% bootstrap interval of their mean difference lies within it
 * (two one-sided tests at 5%).
 */
export function isEquivalent(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  margin: number,
  options: Omit<BootstrapOptions, 'confidence'> = {},
): boolean {
  assertPaired(a, b);
  const { low, high } = bootstrap(
    a.length,
    (drawn) => {
      let total = 0;
      for (const i of drawn) total += (a[i] as number) - (b[i] as number);
      return total / drawn.length;
    },
    { ...options, confidence: 0.9 },
  );
  return low > -margin && high < margin;
}

function sum(values: Float64Array, sign: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += sign(i) * (values[i] as number);
  return total;
}
