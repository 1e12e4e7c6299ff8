import { InvalidArgumentError } from '../errors.js';

/** A number as it stands in a sentence: whole ones with thousands apart, others to four digits. */
export function number(value: number): string {
  const options = Number.isInteger(value) ? {} : { maximumSignificantDigits: 4 };
  return value.toLocaleString('en-US', options);
}

/** @throws InvalidArgumentError for what is no whole number of at least `least` */
export function assertWhole(what: string, value: number, least = 1): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new InvalidArgumentError(`${what} is ${value}; give a whole number of at least ${least}.`);
}

/** @throws InvalidArgumentError for what is not finite or below `least` */
export function assertNumber(what: string, value: number, least = -Infinity): void {
  if (Number.isFinite(value) && value >= least) return;
  const bound = least === -Infinity ? '' : ` of at least ${least}`;
  throw new InvalidArgumentError(`${what} is ${value}; give a finite number${bound}.`);
}
