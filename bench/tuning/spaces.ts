import { InvalidArgumentError } from '../../lib/index.js';

type Space = Readonly<Record<string, readonly string[]>>;

/** Layers that may ask, of a model of 30; the first is as a policy has it by itself. */
const layers = ['15-24', '10-19', '12-19', '15-19', '18-24', '20-29', '10-24'];
const lastTokens = ['1', '4', '12'];

/**
 * What a policy may be set to, beside its ratio: what its paper leaves open. Windows of a shift are no part of AgentKVShift.
 * A setting that is left out is the policy's own.
 */
const spaces: Readonly<Record<string, Space>> = {
  boundary: {},
  deviation: {
    checkLayer: ['0', '1', '2', '4'],
    compare: ['keys', 'values', 'both'],
    filtering: ['gradual', 'once'],
    step: ['2', '4', '8'],
  },
  context: { focus: ['yes', 'no'] },
  question: { layers, lastTokens, neighbours: ['0', '1', '3'], evenness: ['0', '0.5', '1'] },
  'dual-stage': { checkLayer: ['0', '1', '2', '4'], layers, lastTokens },
  shift: { layers, lastTokens, strength: ['0.1', '0.25', '0.5', '0.75', '1'] },
  hybrid: { layers, strength: ['0.25', '0.35', '0.5', '0.65', '0.8'] },
};

export const tunable: readonly string[] = Object.keys(spaces);

/**
 * As many ways of setting a policy as there are trials, or as there are at all: its own first, then others by chance, the same
 * ones for the same random numbers.
 * @throws InvalidArgumentError for a policy without a space
 */
export function candidatesOf(policy: string, trials: number, random: () => number): string[] {
  const space = spaces[policy];
  if (!space) {
    throw new InvalidArgumentError(
      `"${policy}" has nothing to tune here; choose from ${tunable.join(', ')}.`,
    );
  }
  const found = new Set([policy]);
  const most = Math.min(trials, sizeOf(space));
  while (found.size < most) found.add(drawn(policy, space, random));
  return [...found];
}

/** Each setting is left as it is, or takes one of its values. */
const sizeOf = (space: Space): number =>
  Object.values(space).reduce((product, values) => product * (values.length + 1), 1);

function drawn(policy: string, space: Space, random: () => number): string {
  const settings = Object.entries(space).flatMap(([name, values]) => {
    const value = values[Math.floor(random() * (values.length + 1))];
    return value === undefined ? [] : [`${name}=${value}`];
  });
  return [policy, ...settings].join('@');
}
