import type { PassageView, RecomputePolicy } from '../policy.js';

/** Every token of every passage is computed again: the reference, at the price of a full prefill. */
export function fullPolicy(): RecomputePolicy {
  return {
    name: 'full',
    plan: ({ passages }) => ({
      policy: 'full',
      passages: passages.map(({ tokens }: PassageView, passage) => ({
        passage,
        tokens: Int32Array.from(tokens.keys()),
        reason: 'every token',
      })),
    }),
  };
}
