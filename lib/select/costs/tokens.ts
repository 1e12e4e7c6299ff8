import type { SetCost } from '../selector.js';

/** What a set takes in the context: the tokens of its chunks, without what a template puts around them. */
export function tokensCost(): SetCost {
  return {
    name: 'tokens',
    unit: 'tokens',
    of: (set) => set.reduce((sum, { chunk }) => sum + chunk.tokens.length, 0),
  };
}
