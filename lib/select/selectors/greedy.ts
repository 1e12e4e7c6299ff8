import { fill } from '../fill.js';
import { searchSelection } from '../finish.js';
import { SetJudge } from '../judge.js';
import { type CandidateSet, SelectionProblem } from '../problem.js';
import { checkedLimits, type SearchLimits } from '../search-options.js';
import type { Selection, SelectionRequest, Selector } from '../selector.js';

export interface GreedySelectorOptions extends SearchLimits {
  /** What the next chunk must have most of: the value it adds, or that over the cost it adds (default). */
  readonly by?: 'value' | 'value-per-cost';
  /** Sets that are judged in one call when gains are looked at again; default 4. */
  readonly batch?: number;
}

interface Waiting {
  readonly place: number;
  gain: number;
  /** Size of the set that the gain was measured on. */
  size: number;
}

/**
 * Adds the chunk that adds most, again and again, until none adds anything or fits. Gains of earlier steps bound those
 * of later ones where values are submodular, so only the best few are measured again (Minoux, Accelerated greedy
 * algorithms, 1978); where chunks are worth more together than alone, that and greed itself may miss it. The answer is
 * the best set that was judged on the way.
 *
 * @throws InvalidArgumentError for options outside of their ranges
 */
export function greedySelector(options: GreedySelectorOptions = {}): Selector {
  const { by = 'value-per-cost', batch = 4 } = options;
  const name = `greedy(${by})`;
  const { evaluations, maxCandidates } = checkedLimits(name, options);
  return {
    name,
    async select(request: SelectionRequest): Promise<Selection> {
      const problem = new SelectionProblem(name, request);
      const judge = new SetJudge(problem, evaluations);
      const searched = problem.searched(maxCandidates);
      await climb(problem, judge, searched, { by, batch });
      const fallback = fill(problem, problem.empty, searched);
      return searchSelection({ problem, judge, fallback, searched });
    },
  };
}

async function climb(
  problem: SelectionProblem,
  judge: SetJudge,
  searched: readonly number[],
  { by, batch }: Required<Pick<GreedySelectorOptions, 'by' | 'batch'>>,
): Promise<void> {
  let set = problem.empty;
  if (!(await judge.judge([set]))) return;
  let waiting: Waiting[] = searched.map((place) => ({ place, gain: Infinity, size: -1 }));
  for (;;) {
    const base = judge.valueOf(set) as number;
    const size = set.members.length;
    const extended = new Map<number, CandidateSet>();
    for (const { place } of waiting) {
      const next = problem.extended(set, place);
      if (next) extended.set(place, next);
    }
    // What does not fit now never will.
    waiting = waiting.filter(({ place }) => extended.has(place));
    for (;;) {
      waiting.sort((a, b) => b.gain - a.gain || a.place - b.place);
      const [first] = waiting;
      if (!first || first.size === size) break;
      const count = first.gain === Infinity ? waiting.length : batch;
      const stale = waiting.filter((one) => one.size !== size).slice(0, count);
      const isWhole = await judge.judge(
        stale.map(({ place }) => extended.get(place) as CandidateSet),
      );
      if (!isWhole) return;
      for (const one of stale) {
        const next = extended.get(one.place) as CandidateSet;
        const gain = (judge.valueOf(next) as number) - base;
        one.gain = by === 'value' ? gain : gain / Math.max(next.cost - set.cost, Number.MIN_VALUE);
        one.size = size;
      }
    }
    const [best] = waiting;
    if (!best || best.gain <= 0) return;
    set = extended.get(best.place) as CandidateSet;
    waiting.shift();
  }
}
