import { seededInteger, seededRandom } from '../../random.js';
import { fill } from '../fill.js';
import { searchSelection } from '../finish.js';
import { SetJudge } from '../judge.js';
import { assertWhole } from '../numbers.js';
import { SelectionProblem } from '../problem.js';
import { checkedLimits, type SearchLimits } from '../search-options.js';
import type { Selection, SelectionRequest, Selector } from '../selector.js';

export interface RandomSelectorOptions extends SearchLimits {
  /** Whole number; default 1. */
  readonly seed?: number;
}

/** Sets that are judged in one call. */
const batch = 16;

/**
 * The best of sets that are put together by chance, each filled as far as the budget goes: what any search must beat.
 * @throws InvalidArgumentError for options outside of their ranges
 */
export function randomSelector(options: RandomSelectorOptions = {}): Selector {
  const { seed = 1 } = options;
  const name = `random(seed ${seed})`;
  assertWhole('randomSelector: seed', seed, 0);
  const { evaluations, maxCandidates } = checkedLimits(name, options);
  return {
    name,
    async select(request: SelectionRequest): Promise<Selection> {
      const problem = new SelectionProblem(name, request);
      const judge = new SetJudge(problem, evaluations);
      const searched = problem.searched(maxCandidates);
      const random = seededRandom(seed);
      let sets = [problem.empty];
      // With few candidates all there are may come up before the number is reached.
      for (let drawn = 0; drawn < 4 * evaluations && judge.left > 0; drawn += batch) {
        const more = Math.min(batch, judge.left) - sets.length;
        for (let i = 0; i < more; i++) {
          sets.push(fill(problem, problem.empty, shuffled(searched, random)));
        }
        if (!(await judge.judge(sets))) break;
        sets = [];
      }
      const fallback = fill(problem, problem.empty, searched);
      return searchSelection({ problem, judge, fallback, searched });
    },
  };
}

function shuffled(places: readonly number[], random: () => number): number[] {
  const list = [...places];
  for (let i = list.length - 1; i > 0; i--) {
    const j = seededInteger(random, i + 1);
    [list[i], list[j]] = [list[j] as number, list[i] as number];
  }
  return list;
}
