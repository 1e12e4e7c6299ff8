import { InvalidArgumentError } from '../../errors.js';
import type { RecomputePolicy } from '../policy.js';
import type { Carry } from './carry.js';

export interface ShiftOptions {
  /** Share of the mean change that is added, above 0 and at most 1; default 1. */
  readonly strength?: number;
  /** See {@link Carry.window}; default the whole passage. */
  readonly window?: number;
  /** See {@link Carry.halfLife}; default none. */
  readonly halfLife?: number;
}

/**
 * A policy, and the change of what it computes again carried to the rest of each passage: the mean shift of its keys and
 * values (after AgentKVShift, arXiv 2607.21604, which adds it whole). Costs no layer-tokens, but the question is computed in
 * a pass of its own.
 * @throws InvalidArgumentError
 */
export function withShift(policy: RecomputePolicy, options: ShiftOptions = {}): RecomputePolicy {
  const carry = shiftCarry(options);
  const { strength, window, halfLife } = carry;
  const settings = [
    strength,
    window && `windows of ${window}`,
    halfLife && `half-life ${halfLife}`,
  ];
  const name = `${policy.name} + shift(${settings.filter(Boolean).join(', ')})`;
  return {
    name,
    plan: async (input) => ({ ...(await policy.plan(input)), policy: name, carry }),
  };
}

/** @throws InvalidArgumentError */
export function shiftCarry({ strength = 1, window, halfLife }: ShiftOptions = {}): Carry {
  if (!(strength > 0 && strength <= 1)) {
    throw new InvalidArgumentError(
      `withShift: strength is ${strength}; give more than 0 and at most 1.`,
    );
  }
  if (window !== undefined && !(Number.isSafeInteger(window) && window > 0)) {
    throw new InvalidArgumentError(`withShift: window is ${window}; give a positive whole number.`);
  }
  if (halfLife !== undefined && !(halfLife > 0)) {
    throw new InvalidArgumentError(`withShift: halfLife is ${halfLife}; give a positive number.`);
  }
  return {
    strength,
    ...(window !== undefined && { window }),
    ...(halfLife !== undefined && { halfLife }),
    reason: `by ${strength} times the mean change of those ${window === undefined ? 'of their passage' : 'near them'}`,
  };
}
