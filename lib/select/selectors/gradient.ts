import { InvalidArgumentError } from '../../errors.js';
import { fill } from '../fill.js';
import { selectionOf } from '../finish.js';
import { assertNumber, assertWhole, number } from '../numbers.js';
import { SelectionProblem } from '../problem.js';
import type { Selection, SelectionRequest, Selector } from '../selector.js';

export interface GradientSelectorOptions {
  /** So many are taken whatever their scores; default 3. */
  readonly minK?: number;
  /** Most that are taken; default all. */
  readonly maxK?: number;
  /**
   * The first fall from one score to the next of at least this much ends the selection, as a share of all the way from
   * the best to the worst score; in (0, 1], default 0.3.
   */
  readonly gradient?: number;
}

/**
 * Candidates by score down to the first sharp fall (SAGE, arXiv 2503.01713, gradient-based selection), as far as the
 * budget goes. The paper's own numbers could not be confirmed. Scores are brought to [0, 1] first, best and worst
 * candidate at the ends: the fall then means the same for similarities, logits and BM25.
 *
 * @throws InvalidArgumentError for options outside of their ranges
 */
export function gradientSelector(options: GradientSelectorOptions = {}): Selector {
  const { minK = 3, maxK, gradient = 0.3 } = options;
  assertWhole('gradientSelector: minK', minK);
  if (maxK !== undefined) assertWhole('gradientSelector: maxK', maxK, minK);
  assertNumber('gradientSelector: gradient', gradient);
  if (!(gradient > 0 && gradient <= 1)) {
    throw new InvalidArgumentError(
      `gradientSelector: gradient is ${gradient}; give a number above 0 and up to 1.`,
    );
  }
  const name = `gradient(${gradient}, ${minK} to ${maxK ?? 'all'})`;
  return {
    name,
    async select(request: SelectionRequest): Promise<Selection> {
      const problem = new SelectionProblem(name, request);
      const scoreOf = (place: number): number => request.candidates[place]?.score as number;
      const places = request.candidates
        .map((_, place) => place)
        .sort((a, b) => scoreOf(b) - scoreOf(a) || a - b);
      const scores = scaled(places.map(scoreOf));
      let k = Math.min(minK, places.length);
      const fallAt = (rank: number): number =>
        (scores[rank - 1] as number) - (scores[rank] as number);
      const most = Math.min(maxK ?? places.length, places.length);
      while (k < most && fallAt(k) < gradient) k++;
      const taken = places
        .slice(0, k)
        .filter((place) => (problem.alone[place] as number) <= problem.budget);
      const chosen = fill(problem, problem.empty, taken);
      const rankOf = new Map(places.map((place, rank) => [place, rank]));
      return selectionOf(problem, chosen, (place, isChosen) => {
        const rank = rankOf.get(place) as number;
        const head = `number ${rank + 1} by score`;
        if (isChosen)
          return rank < minK
            ? `${head}, of the ${minK} always taken`
            : `${head}, before the first sharp fall`;
        if (rank < k) return `${head}, but no room was left in the budget`;
        if (k === most && k === maxK) return `${head}: no more than ${maxK} are taken`;
        return `${head}, behind the fall of ${number(fallAt(k))} of the range of scores after number ${k}`;
      });
    },
  };
}

function scaled(scores: readonly number[]): number[] {
  const [best = 0] = scores;
  const worst = scores.at(-1) ?? 0;
  return scores.map((score) => (best > worst ? (score - worst) / (best - worst) : 1));
}
