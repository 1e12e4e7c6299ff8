import type { CandidateSet, SelectionProblem } from './problem.js';

/** So many in a row that no longer fit say that the budget is spent: without it 10,000 candidates are tried in vain. */
const mostMisses = 64;

/** Adds candidates in the given order as long as they fit; one that does not is passed over. */
export function fill(
  problem: SelectionProblem,
  set: CandidateSet,
  places: Iterable<number>,
): CandidateSet {
  const waiting = [...places];
  let filled = set;
  let misses = 0;
  let from = 0;
  // In strides that double: a set of thousands is not put in order for each of them.
  let stride = 1;
  while (from < waiting.length && misses < mostMisses) {
    const some = waiting.slice(from, from + stride);
    const next =
      some.length === 1
        ? problem.extended(filled, some[0] as number)
        : fitting(problem, filled, some);
    if (next) {
      filled = next;
      from += some.length;
      stride *= 2;
      misses = 0;
    } else if (stride > 1) {
      stride = Math.max(1, stride >> 2);
    } else {
      from++;
      misses++;
    }
  }
  return filled;
}

function fitting(
  problem: SelectionProblem,
  set: CandidateSet,
  more: readonly number[],
): CandidateSet | undefined {
  const next = problem.setOf([...set.members, ...more]);
  return problem.fits(next) ? next : undefined;
}
