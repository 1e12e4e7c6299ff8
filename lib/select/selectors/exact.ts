import { fill } from '../fill.js';
import { searchSelection } from '../finish.js';
import { SetJudge } from '../judge.js';
import { assertWhole } from '../numbers.js';
import { type CandidateSet, SelectionProblem } from '../problem.js';
import { SelectionTooLargeError } from '../selection-error.js';
import type { Selection, SelectionRequest, Selector } from '../selector.js';

export interface ExactSelectorOptions {
  /** Most sets that are judged; default 20,000. */
  readonly maxSets?: number;
}

/** Sets that are judged in one call. */
const batch = 256;

/**
 * Judges every set that fits the budget: the reference for others, for small cases only.
 *
 * @throws InvalidArgumentError for a `maxSets` that is no whole number of at least 1
 * @throws SelectionTooLargeError (from `select`) where more sets fit; none was judged then
 */
export function exactSelector({ maxSets = 20_000 }: ExactSelectorOptions = {}): Selector {
  assertWhole('exactSelector: maxSets', maxSets);
  const name = 'exact';
  return {
    name,
    async select(request: SelectionRequest): Promise<Selection> {
      const problem = new SelectionProblem(name, request);
      const searched = problem.searched(Infinity);
      const sets: CandidateSet[] = [];
      for (const set of everySet(problem, searched, triesPerSet * maxSets)) {
        if (!set || sets.length === maxSets) throw new SelectionTooLargeError(name, maxSets);
        sets.push(set);
      }
      const judge = new SetJudge(problem, maxSets);
      for (let from = 0; from < sets.length; from += batch) {
        if (!(await judge.judge(sets.slice(from, from + batch)))) break;
      }
      const fallback = fill(problem, problem.empty, searched);
      return searchSelection({ problem, judge, fallback, searched });
    },
  };
}

/** Extensions that are tried for each set that may be judged, before there are said to be too many. */
const triesPerSet = 50;

/**
 * Sets that fit the budget, each once. What does not fit is not extended: adding never makes a set cheaper. Undefined
 * once so many were tried in vain that it would take too long.
 */
function* everySet(
  problem: SelectionProblem,
  places: readonly number[],
  mostTries: number,
): Generator<CandidateSet | undefined, void, void> {
  const path = [{ set: problem.empty, next: 0 }];
  yield problem.empty;
  let tries = 0;
  for (let top = path.at(-1); top; top = path.at(-1)) {
    const place = places[top.next++];
    if (place === undefined) {
      path.pop();
      continue;
    }
    if (++tries > mostTries) yield undefined;
    const extended = problem.extended(top.set, place);
    if (!extended) continue;
    yield extended;
    path.push({ set: extended, next: top.next });
  }
}
