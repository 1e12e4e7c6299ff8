import type { EvictionPolicy } from './policy.js';
import { type AdmissionOptions, rankedPolicy } from './ranked.js';

/**
 * GreedyDual-Size-Frequency (Cherkasova 1998): rank = floor + uses * cost / size, where the cost is the
 * measured time of computing the record again and the floor is the rank of the last victim.
 */
export function gdsfPolicy(options: AdmissionOptions = {}): EvictionPolicy {
  return rankedPolicy({
    ...options,
    name: 'gdsf',
    rank: ({ uses, computeMs, bytes }, floor) =>
      floor + (uses * Math.max(computeMs, Number.MIN_VALUE)) / Math.max(bytes, 1),
  });
}
