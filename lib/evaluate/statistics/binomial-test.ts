import { InvalidArgumentError } from '../../errors.js';

/**
 * One-sided exact binomial test: how likely at least so many of the trials come out right by chance alone.
 * @param chance of one trial, in (0, 1); default 0.5
 * @throws InvalidArgumentError for counts that cannot be
 */
export function binomialTest(right: number, trials: number, chance = 0.5): number {
  const fits = Number.isSafeInteger(right) && Number.isSafeInteger(trials);
  if (!(fits && right >= 0 && right <= trials && chance > 0 && chance < 1)) {
    throw new InvalidArgumentError(
      `binomialTest: ${right} right of ${trials} at a chance of ${chance}; give whole numbers, and a chance between 0 and 1.`,
    );
  }
  // Logarithms: powers of a half and the ways to choose leave what a number holds.
  let log = trials * Math.log(1 - chance);
  let total = 0;
  for (let count = 0; count <= trials; count++) {
    if (count >= right) total += Math.exp(log);
    log += Math.log((trials - count) / (count + 1)) + Math.log(chance / (1 - chance));
  }
  return Math.min(1, total);
}
