import type { SetValue } from '../selector.js';

/** The sum of the candidates' scores: as if chunks had nothing to do with each other. Asks nobody. */
export function sumOfScores(): SetValue {
  return {
    name: 'sum of scores',
    of: async (sets) => sets.map((set) => set.reduce((sum, { score }) => sum + score, 0)),
  };
}
