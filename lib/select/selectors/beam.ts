import { fill } from '../fill.js';
import { searchSelection } from '../finish.js';
import { SetJudge } from '../judge.js';
import { assertWhole } from '../numbers.js';
import { type CandidateSet, SelectionProblem } from '../problem.js';
import { checkedLimits, type SearchLimits } from '../search-options.js';
import type { Selection, SelectionRequest, Selector } from '../selector.js';

export interface BeamSelectorOptions extends SearchLimits {
  /** Sets that are kept of each size; default 4. */
  readonly width?: number;
  /** Chunks that each of them is tried with, those worth most by themselves; default 8. */
  readonly branch?: number;
}

/**
 * Keeps the best few sets of each size and extends them by one chunk, all in one call. Goes on where a set is worth
 * less than before, as long as one more fits; the answer is the best set of any size.
 *
 * @throws InvalidArgumentError for options outside of their ranges
 */
export function beamSelector(options: BeamSelectorOptions = {}): Selector {
  const { width = 4, branch = 8 } = options;
  assertWhole('beamSelector: width', width);
  assertWhole('beamSelector: branch', branch);
  const name = `beam(${width} x ${branch})`;
  const { evaluations, maxCandidates } = checkedLimits(name, options);
  return {
    name,
    async select(request: SelectionRequest): Promise<Selection> {
      const problem = new SelectionProblem(name, request);
      const judge = new SetJudge(problem, evaluations);
      const searched = problem.searched(maxCandidates);
      await sweep(problem, judge, searched, { width, branch });
      const fallback = fill(problem, problem.empty, searched);
      return searchSelection({ problem, judge, fallback, searched });
    },
  };
}

async function sweep(
  problem: SelectionProblem,
  judge: SetJudge,
  searched: readonly number[],
  { width, branch }: Required<Pick<BeamSelectorOptions, 'width' | 'branch'>>,
): Promise<void> {
  const singles = searched.map((place) => problem.setOf([place]));
  if (!(await judge.judge([problem.empty, ...singles]))) return;
  const worth = (set: CandidateSet): number => judge.valueOf(set) as number;
  const byWorth = (sets: readonly CandidateSet[]): CandidateSet[] =>
    sets.toSorted((a, b) => worth(b) - worth(a) || a.cost - b.cost);
  const ranked = byWorth(singles).map(({ members }) => members[0] as number);
  let kept = byWorth(singles).slice(0, width);
  while (kept.length > 0) {
    const next = new Map<string, CandidateSet>();
    for (const set of kept) {
      let tried = 0;
      for (const place of ranked) {
        if (tried === branch) break;
        if (set.members.includes(place)) continue;
        const extended = problem.extended(set, place);
        if (!extended) continue;
        next.set(extended.key, extended);
        tried++;
      }
    }
    const level = [...next.values()];
    if (!(await judge.judge(level))) return;
    kept = byWorth(level).slice(0, width);
  }
}
