import { fill } from '../fill.js';
import { selectionOf } from '../finish.js';
import { assertNumber, number } from '../numbers.js';
import { SelectionProblem } from '../problem.js';
import type { Selection, SelectionRequest, Selector } from '../selector.js';

export interface ThresholdSelectorOptions {
  /** Least score of a chunk that is taken, on the scale of whatever scored the candidates. */
  readonly threshold: number;
}

/**
 * Candidates of at least a score, best first, as far as the budget goes.
 * @throws InvalidArgumentError for a threshold that is not finite
 */
export function thresholdSelector({ threshold }: ThresholdSelectorOptions): Selector {
  assertNumber('thresholdSelector: threshold', threshold);
  const name = `threshold(${threshold})`;
  return {
    name,
    async select(request: SelectionRequest): Promise<Selection> {
      const problem = new SelectionProblem(name, request);
      const scoreOf = (place: number): number => request.candidates[place]?.score as number;
      const enough = problem
        .searched(Infinity)
        .filter((place) => scoreOf(place) >= threshold)
        .sort((a, b) => scoreOf(b) - scoreOf(a) || a - b);
      return selectionOf(problem, fill(problem, problem.empty, enough), (place, isChosen) => {
        const score = `its score of ${number(scoreOf(place))}`;
        if (scoreOf(place) < threshold) return `${score} is below ${number(threshold)}`;
        const head = `${score} is at least ${number(threshold)}`;
        return isChosen ? head : `${head}, but no room was left in the budget`;
      });
    },
  };
}
