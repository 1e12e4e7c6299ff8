import type { ScoredChunk, SelectionRequest, SetValue } from '../../../lib/index.js';
import { tokensCost } from '../../../lib/index.js';

/** A candidate of some tokens; its place is its number in `text`. */
export function candidate(id: string, tokens: number, score: number, text = id): ScoredChunk {
  return {
    chunk: {
      id,
      documentId: `document of ${id}`,
      start: 0,
      end: text.length,
      text,
      tokens: new Int32Array(tokens),
      tokenStart: 0,
    },
    score,
  };
}

/** A value of the ids in a set. */
export function valueOfIds(of: (ids: readonly string[]) => number): SetValue {
  return {
    name: 'of ids',
    of: async (sets) => sets.map((set) => of(set.map(({ chunk }) => chunk.id))),
  };
}

export function request(
  candidates: readonly ScoredChunk[],
  parts: Partial<SelectionRequest> = {},
): SelectionRequest {
  return {
    question: 'Which?',
    candidates,
    budget: 100,
    cost: tokensCost(),
    value: valueOfIds((ids) => ids.length),
    ...parts,
  };
}

export const idsOf = (chunks: readonly ScoredChunk[]): string[] =>
  chunks.map(({ chunk }) => chunk.id);

/** The best value of any set within the budget, by trying all of them with no code of the library. */
export function bestByForce(
  costs: readonly number[],
  budget: number,
  worth: (members: readonly number[]) => number,
): number {
  let best = -Infinity;
  for (let bits = 0; bits < 1 << costs.length; bits++) {
    const members = costs.map((_, i) => i).filter((i) => (bits >> i) & 1);
    const cost = members.reduce((sum, i) => sum + (costs[i] as number), 0);
    if (cost <= budget) best = Math.max(best, worth(members));
  }
  return best;
}
