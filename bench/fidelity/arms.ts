import type { RecomputePolicy } from '../../lib/index.js';
import { numberOf } from './number-of.js';
import { kindOf, policyNamed } from './policies.js';

/** One way of answering: how passages were encoded, and what is recomputed. */
export interface Arm {
  readonly warmup: string;
  readonly policy: string;
  readonly ratio: number;
}

/**
 * Policies that no ratio changes are there once for each warm-up.
 * @param policies names; one may have ratios of its own behind it, as in `boundary:0.1:0.3`, and settings: see {@link policyNamed}
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
      // Refused before anything is computed.
      policyNamed(policy, 0.5);
      const asked = own.length > 0 ? own.map((ratio) => numberOf('policies', ratio, 0)) : ratios;
      const kind = kindOf(policy);
      const fixed = kind === 'none' ? [0] : kind === 'full' ? [1] : asked;
      return fixed.map((ratio) => ({ warmup, policy, ratio }));
    }),
  );
  return [...first, ...others];
}

export const policyOf = ({ policy, ratio }: Arm): RecomputePolicy => policyNamed(policy, ratio);
