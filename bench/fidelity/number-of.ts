import { InvalidArgumentError } from '../../lib/index.js';

/** An option's text as a number. @throws InvalidArgumentError */
export function numberOf(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= least && Number.isFinite(value)) return value;
  throw new InvalidArgumentError(`--${name} is "${text}"; give a number of at least ${least}.`);
}
