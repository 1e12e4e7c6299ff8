import type { SetJudge } from './judge.js';
import type { CandidateSet, SelectionProblem } from './problem.js';
import { number } from './numbers.js';
import type { Decision, SearchNode, Selection } from './selector.js';

/** A selection whose decisions say what `reasonOf` says of each candidate. */
export function selectionOf(
  problem: SelectionProblem,
  chosen: CandidateSet,
  reasonOf: (place: number, isChosen: boolean) => string,
): Selection {
  const members = new Set(chosen.members);
  return {
    chunks: chosen.chunks,
    cost: chosen.cost,
    evaluations: 0,
    stopped: 'done',
    decisions: problem.candidates.map(({ chunk }, place): Decision => {
      const isChosen = members.has(place);
      const alone = problem.alone[place] as number;
      const reason =
        alone > problem.budget
          ? `too dear: it costs ${number(alone)} of a budget of ${number(problem.budget)}`
          : reasonOf(place, isChosen);
      return { chunkId: chunk.id, chosen: isChosen, reason, cost: alone };
    }),
  };
}

export interface SearchResult {
  readonly problem: SelectionProblem;
  readonly judge: SetJudge;
  /** Taken where the search ended before any set was judged. */
  readonly fallback: CandidateSet;
  /** Places that the search looked at. */
  readonly searched: readonly number[];
  readonly tree?: SearchNode;
}

/** The best set that was judged, with what the judged sets say of each candidate. */
export function searchSelection({
  problem,
  judge,
  fallback,
  searched,
  tree,
}: SearchResult): Selection {
  const { best } = judge;
  const chosen = best?.set ?? fallback;
  const reasonOf = best
    ? searchReasons(problem, judge, chosen, new Set(searched))
    : (_: number, isChosen: boolean) =>
        isChosen
          ? 'among the first that fit: no set was judged in time'
          : 'not among the first that fit: no set was judged in time';
  return {
    ...selectionOf(problem, chosen, reasonOf),
    ...(best && { value: best.value }),
    evaluations: judge.evaluations,
    stopped: judge.stopped,
    ...(tree && { tree }),
  };
}

function searchReasons(
  problem: SelectionProblem,
  judge: SetJudge,
  chosen: CandidateSet,
  searched: ReadonlySet<number>,
): (place: number, isChosen: boolean) => string {
  const bestWith = new Map<number, number>();
  for (const { set, value } of judge.judged) {
    for (const place of set.members) {
      bestWith.set(place, Math.max(value, bestWith.get(place) ?? -Infinity));
    }
  }
  const worth = judge.valueOf(chosen) as number;
  const sets = judge.evaluations === 1 ? 'the one set' : `the best of ${judge.evaluations} sets`;
  return (place, isChosen) => {
    if (isChosen) {
      const without = judge.valueOf(problem.setOf(chosen.members.filter((one) => one !== place)));
      const head = `in ${sets} that were judged, worth ${number(worth)}`;
      return without === undefined ? head : `${head}; without it ${number(without)}`;
    }
    if (!searched.has(place)) {
      return `not looked at: the search is among the first ${searched.size} that fit the budget`;
    }
    const more = problem.setOf([...chosen.members, place]);
    if (!problem.fits(more)) {
      const head = `with it the chosen set would cost ${number(more.cost)} of a budget of ${number(problem.budget)}`;
      return `${head}${tail(bestWith.get(place), worth)}`;
    }
    const together = judge.valueOf(more);
    if (together !== undefined) {
      return `with it the chosen set would be worth ${number(together)} and not ${number(worth)}`;
    }
    const best = bestWith.get(place);
    return best === undefined
      ? 'in no set that was judged'
      : `the best set with it that was judged is worth ${number(best)} and not ${number(worth)}`;
  };
}

function tail(best: number | undefined, worth: number): string {
  if (best === undefined) return '';
  return `; the best set with it that was judged is worth ${number(best)} and not ${number(worth)}`;
}
