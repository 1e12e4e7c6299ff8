import type { RecomputePolicy } from '../policy.js';

/** Nothing is computed again: the fastest, and furthest from what a full prefill gives. */
export function nonePolicy(): RecomputePolicy {
  return { name: 'none', plan: () => ({ policy: 'none', passages: [] }) };
}
