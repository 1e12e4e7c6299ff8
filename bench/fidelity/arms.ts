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

/** One way of answering: how passages were encoded, and what is recomputed. */
export interface Arm {
  readonly warmup: string;
  readonly policy: string;
  readonly ratio: number;
}

const makers: Readonly<Record<string, (ratio: number) => RecomputePolicy>> = {
  none: () => nonePolicy(),
  full: () => fullPolicy(),
  random: (ratio) => randomPolicy({ ratio }),
  boundary: (ratio) => boundaryPolicy({ ratio }),
  deviation: (ratio) => deviationPolicy({ ratio }),
  context: (ratio) => contextPolicy({ ratio }),
  // As many tokens as others get: none is left on the way.
  'context-all': (ratio) => contextPolicy({ ratio, focus: false }),
  question: (ratio) => questionPolicy({ ratio }),
  'dual-stage': (ratio) => dualStagePolicy({ ratio }),
  shift: (ratio) => withShift(questionPolicy({ ratio })),
  'half-shift': (ratio) => withShift(questionPolicy({ ratio }), { strength: 0.5 }),
  hybrid: (ratio) => hybridPolicy({ budget: { ratio } }),
  adaptive: (ratio) =>
    hybridPolicy({ budget: { coverage: coverageFor(ratio), least: 0, most: 1 } }),
};

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
function coverageFor(ratio: number): number {
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

export const policyNames = [...Object.keys(makers), 'floor'];

/**
 * Policies that no ratio changes are there once for each warm-up.
 * @param policies names; one may have ratios of its own behind it, as in `boundary:0.1:0.3`
 */
export function armsOf(
  warmups: readonly string[],
  policies: readonly string[],
  ratios: readonly number[],
): Arm[] {
  // What shares are taken of.
  const baseline = warmups.includes('prefix') && policies.includes('none');
  const first: Arm[] = baseline ? [] : [{ warmup: 'prefix', policy: 'none', ratio: 0 }];
  const others = warmups.flatMap((warmup) =>
    policies.flatMap((entry) => {
      const [policy = '', ...own] = entry.split(':');
      // It is computed from the prompt's tokens alone.
      if (policy === 'floor') {
        return warmup === warmups[0] ? [{ warmup: 'prefix', policy, ratio: 1 }] : [];
      }
      if (!makers[policy]) {
        throw new InvalidArgumentError(
          `There is no policy "${policy}" here; choose from ${policyNames.join(', ')}.`,
        );
      }
      const asked = own.length > 0 ? own.map((ratio) => numberOf('policies', ratio, 0)) : ratios;
      const fixed = policy === 'none' ? [0] : policy === 'full' ? [1] : asked;
      return fixed.map((ratio) => ({ warmup, policy, ratio }));
    }),
  );
  return [...first, ...others];
}

export function policyOf({ policy, ratio }: Arm): RecomputePolicy {
  return (makers[policy] as (ratio: number) => RecomputePolicy)(ratio);
}
