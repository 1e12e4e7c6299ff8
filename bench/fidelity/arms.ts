import {
  boundaryPolicy,
  contextPolicy,
  deviationPolicy,
  dualStagePolicy,
  fullPolicy,
  InvalidArgumentError,
  nonePolicy,
  questionPolicy,
  randomPolicy,
  type RecomputePolicy,
  withShift,
} from '../../lib/index.js';

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
  question: (ratio) => questionPolicy({ ratio }),
  'dual-stage': (ratio) => dualStagePolicy({ ratio }),
  shift: (ratio) => withShift(questionPolicy({ ratio })),
  'half-shift': (ratio) => withShift(questionPolicy({ ratio }), { strength: 0.5 }),
};

export const policyNames = Object.keys(makers);

/** Policies that no ratio changes are there once for each warm-up. */
export function armsOf(
  warmups: readonly string[],
  policies: readonly string[],
  ratios: readonly number[],
): Arm[] {
  return warmups.flatMap((warmup) =>
    policies.flatMap((policy) => {
      if (policy === 'floor') return [];
      if (!makers[policy]) {
        throw new InvalidArgumentError(
          `There is no policy "${policy}" here; choose from ${policyNames.join(', ')}.`,
        );
      }
      const fixed = policy === 'none' ? [0] : policy === 'full' ? [1] : ratios;
      return fixed.map((ratio) => ({ warmup, policy, ratio }));
    }),
  );
}

export function policyOf({ policy, ratio }: Arm): RecomputePolicy {
  return (makers[policy] as (ratio: number) => RecomputePolicy)(ratio);
}
