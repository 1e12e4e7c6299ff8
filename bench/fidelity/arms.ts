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
  // As many tokens as others get: none is left on the way.
  'context-all': (ratio) => contextPolicy({ ratio, focus: false }),
  question: (ratio) => questionPolicy({ ratio }),
  'q-wide': (ratio) => wide(ratio),
  's.25': (ratio) => withShift(wide(ratio), { strength: 0.25 }),
  's.5': (ratio) => withShift(wide(ratio), { strength: 0.5 }),
  's.75': (ratio) => withShift(wide(ratio), { strength: 0.75 }),
  's.5w32': (ratio) => withShift(wide(ratio), { strength: 0.5, window: 32, halfLife: 32 }),
  's.5w16': (ratio) => withShift(wide(ratio), { strength: 0.5, window: 16, halfLife: 8 }),
  's.3w16': (ratio) => withShift(wide(ratio), { strength: 0.3, window: 16, halfLife: 16 }),
  'dual-stage': (ratio) => dualStagePolicy({ ratio }),
  shift: (ratio) => withShift(questionPolicy({ ratio })),
  'half-shift': (ratio) => withShift(questionPolicy({ ratio }), { strength: 0.5 }),
};

const wide = (ratio: number) => questionPolicy({ ratio, layers: range(15, 25), lastTokens: 4096 });

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

export const policyNames = [...Object.keys(makers), 'floor'];

/** Policies that no ratio changes are there once for each warm-up. */
export function armsOf(
  warmups: readonly string[],
  policies: readonly string[],
  ratios: readonly number[],
): Arm[] {
  return warmups.flatMap((warmup) =>
    policies.flatMap((policy) => {
      // It is computed from the prompt's tokens alone.
      if (policy === 'floor') {
        return warmup === warmups[0] ? [{ warmup: 'prefix', policy, ratio: 1 }] : [];
      }
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
