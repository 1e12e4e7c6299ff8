import { fill } from '../fill.js';
import { selectionOf } from '../finish.js';
import { assertWhole } from '../numbers.js';
import { SelectionProblem } from '../problem.js';
import type { Selection, SelectionRequest, Selector } from '../selector.js';

export interface TopKSelectorOptions {
  /** Most chunks; default as many as the budget allows. */
  readonly k?: number;
}

/**
 * The first candidates that fit, `k` at most; one that no longer fits is passed over for smaller ones behind it.
 * @throws InvalidArgumentError for a `k` that is no whole number of at least 1
 */
export function topKSelector({ k }: TopKSelectorOptions = {}): Selector {
  if (k !== undefined) assertWhole('topKSelector: k', k);
  const name = k === undefined ? 'top' : `top(${k})`;
  return {
    name,
    async select(request: SelectionRequest): Promise<Selection> {
      const problem = new SelectionProblem(name, request);
      const first = problem.searched(k ?? Infinity);
      const chosen = fill(problem, problem.empty, first);
      const wanted = new Set(first);
      return selectionOf(problem, chosen, (place, isChosen) => {
        if (isChosen) return `number ${place + 1} of the candidates`;
        if (wanted.has(place)) return 'no room was left in the budget';
        return `not among the first ${k} that fit the budget`;
      });
    },
  };
}
