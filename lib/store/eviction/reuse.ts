import type { EvictionPolicy } from './policy.js';
import { type AdmissionOptions, rankedPolicy } from './ranked.js';

/** A use that needed no repair counts as much as this many that needed all of it. */
const mostPerUse = 20;

/**
 * Cache-Craft's eviction (arXiv 2502.15734): every use adds the inverse of its fix overhead (the share of
 * tokens that had to be computed again), so records that are used often and need little repair stay. A use
 * of which nobody measured the overhead counts as one that needed all.
 */
export function reusePolicy(options: AdmissionOptions = {}): EvictionPolicy {
  return rankedPolicy({
    ...options,
    name: 'reuse',
    savedBy: (use) => 1 / Math.max(use?.fixOverhead ?? 1, 1 / mostPerUse),
    rank: ({ saved }, floor) => floor + saved,
  });
}
