import {
  boundaryPolicy,
  contextPolicy,
  deviationPolicy,
  dualStagePolicy,
  fullPolicy,
  hybridPolicy,
  InvalidArgumentError,
  nonePolicy,
  questionPolicy,
  randomPolicy,
  type RecomputePolicy,
  withShift,
} from '../../lib/index.js';
import { numberOf } from './number-of.js';

/** What stands behind a policy's name, as in `deviation@checkLayer=0@compare=keys`. */
type Settings = Readonly<Record<string, string>>;

type Value = 'number' | 'layers' | 'yes or no' | readonly string[];

interface Maker {
  /** Settings that it knows, and what they may be; default none. */
  readonly knows?: Readonly<Record<string, Value>>;
  /** Values are checked: of those given, each is what it may be. */
  make(ratio: number, values: Readonly<Record<string, never>>): RecomputePolicy;
}

const asks = { layers: 'layers', lastTokens: 'number' } as const;

const makers: Readonly<Record<string, Maker>> = {
  none: { make: () => nonePolicy() },
  full: { make: () => fullPolicy() },
  random: { knows: { seed: 'number' }, make: (ratio, own) => randomPolicy({ ...own, ratio }) },
  boundary: { make: (ratio) => boundaryPolicy({ ratio }) },
  deviation: {
    knows: {
      checkLayer: 'number',
      compare: ['keys', 'values', 'both'],
      filtering: ['gradual', 'once'],
      step: 'number',
    },
    make: (ratio, own) => deviationPolicy({ ...own, ratio }),
  },
  context: {
    knows: { focus: 'yes or no' },
    make: (ratio, own) => contextPolicy({ ...own, ratio }),
  },
  // As many tokens as others get: none is left on the way.
  'context-all': { make: (ratio) => contextPolicy({ ratio, focus: false }) },
  question: {
    knows: { ...asks, neighbours: 'number', evenness: 'number' },
    make: (ratio, own) => questionPolicy({ ...own, ratio }),
  },
  'dual-stage': {
    knows: { ...asks, checkLayer: 'number' },
    make: (ratio, own) => dualStagePolicy({ ...own, ratio }),
  },
  shift: {
    knows: { ...asks, strength: 'number' },
    make(ratio, { strength, ...own }: { strength?: number }) {
      return withShift(
        questionPolicy({ ...own, ratio }),
        strength === undefined ? {} : { strength },
      );
    },
  },
  'half-shift': { make: (ratio) => withShift(questionPolicy({ ratio }), { strength: 0.5 }) },
  hybrid: {
    knows: { layers: 'layers', strength: 'number' },
    make: (ratio, own) => hybridPolicy({ ...own, budget: { ratio } }),
  },
  adaptive: {
    make: (ratio) => hybridPolicy({ budget: { coverage: coverageFor(ratio), least: 0, most: 1 } }),
  },
};

export const policyNames = [...Object.keys(makers), 'floor'];

/**
 * @param policy a name, with settings behind it where they are not to be the policy's own
 * @throws InvalidArgumentError for a name or a setting that is none, or what the policy does not take
 */
export function policyNamed(policy: string, ratio: number): RecomputePolicy {
  const { name, settings } = parsed(policy);
  const maker = makers[name];
  if (!maker) {
    throw new InvalidArgumentError(
      `There is no policy "${name}" here; choose from ${policyNames.join(', ')}.`,
    );
  }
  const values = Object.entries(settings).map(([key, text]) => {
    const may = maker.knows?.[key];
    if (may === undefined) {
      const known = Object.keys(maker.knows ?? {}).join(', ') || 'none';
      throw new InvalidArgumentError(`"${policy}": ${name} has no "${key}"; it has ${known}.`);
    }
    return [key, valueOf(policy, key, text, may)] as const;
  });
  return maker.make(ratio, Object.fromEntries(values) as Record<string, never>);
}

/** The name alone. */
export const kindOf = (policy: string): string => parsed(policy).name;

function parsed(policy: string): { readonly name: string; readonly settings: Settings } {
  const [name = '', ...own] = policy.split('@');
  const settings = own.map((text) => {
    const [key = '', ...value] = text.split('=');
    return [key, value.join('=')] as const;
  });
  return { name, settings: Object.fromEntries(settings) };
}

function valueOf(policy: string, key: string, text: string, may: Value): unknown {
  if (may === 'number') return numberOf(`policies ${policy}`, text, 0);
  if (may === 'layers') return layersOf(policy, text);
  const allowed = may === 'yes or no' ? ['yes', 'no'] : may;
  if (!allowed.includes(text)) {
    throw new InvalidArgumentError(
      `"${policy}": ${key} is "${text}"; give ${allowed.join(' or ')}.`,
    );
  }
  return may === 'yes or no' ? text === 'yes' : text;
}

/** `15-24` is from 15 to 24. */
function layersOf(policy: string, text: string): number[] {
  const [from = NaN, to = NaN] = text.split('-').map(Number);
  if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from <= to) {
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  }
  throw new InvalidArgumentError(`"${policy}": layers is "${text}"; give FIRST-LAST.`);
}

/** Coverage that came to a ratio on average over the search halves of MuSiQue and chroma. */
const coverages: readonly (readonly [ratio: number, coverage: number])[] = [
  [0, 0.1],
  [0.013, 0.2],
  [0.03, 0.3],
  [0.054, 0.4],
  [0.088, 0.5],
  [0.135, 0.6],
  [0.2, 0.7],
  [0.297, 0.8],
  [0.457, 0.9],
  [1, 1],
];

/** The coverage that costs about as much as a fixed ratio, so that the two can be compared. */
export function coverageFor(ratio: number): number {
  const above = Math.max(
    1,
    coverages.findIndex(([known]) => known >= ratio),
  );
  const [[x0, y0], [x1, y1]] = [coverages[above - 1], coverages[above]] as [
    [number, number],
    [number, number],
  ];
  return y0 + ((y1 - y0) * (ratio - x0)) / (x1 - x0);
}
