import type { CandidateSet, SelectionProblem } from '../problem.js';
import type { DrawnValue } from './set-model.js';

/**
 * The set, with what a value function says is best added to it: one by one by gain, as long as that is above 0, then
 * with members of the addition put out or exchanged as long as that helps. What the set had stays. No more than a
 * share of the budget is used.
 */
export function complete(
  problem: SelectionProblem,
  set: CandidateSet,
  searched: readonly number[],
  value: DrawnValue,
  share = 1,
): CandidateSet {
  const most = Math.max(share * problem.budget, set.cost);
  const kept = new Set(set.members);
  let filled = grow(problem, set, searched, value, most);
  // Each round adds to the drawn value; a few are enough.
  for (let round = 0; round < 4; round++) {
    const better = exchange(problem, filled, kept, searched, value, most);
    if (!better) break;
    filled = grow(problem, better, searched, value, most);
  }
  return filled;
}

function grow(
  problem: SelectionProblem,
  set: CandidateSet,
  searched: readonly number[],
  value: DrawnValue,
  most: number,
): CandidateSet {
  let grown = set;
  const tooMuch = new Set<number>(set.members);
  for (;;) {
    const [place] = bestOf(searched, tooMuch, (one) => value.gain(one, grown.members));
    if (place === undefined) return grown;
    tooMuch.add(place);
    const next = problem.extended(grown, place);
    if (next && next.cost <= most) grown = next;
  }
}

/** The place of most gain, where that is above 0. */
function bestOf(
  places: readonly number[],
  without: ReadonlySet<number>,
  gainOf: (place: number) => number,
): [place: number | undefined, gain: number] {
  let best: number | undefined;
  let most = 0;
  for (const place of places) {
    if (without.has(place)) continue;
    const gain = gainOf(place);
    if (gain <= most) continue;
    best = place;
    most = gain;
  }
  return [best, most];
}

/** The first member, of those that may go, whose place nobody or somebody else fills better. */
function exchange(
  problem: SelectionProblem,
  set: CandidateSet,
  kept: ReadonlySet<number>,
  searched: readonly number[],
  value: DrawnValue,
  most: number,
): CandidateSet | undefined {
  for (const member of set.members) {
    if (kept.has(member)) continue;
    const rest = set.members.filter((one) => one !== member);
    const lost = value.gain(member, rest);
    const out = new Set(set.members);
    for (;;) {
      const [place, gain] = bestOf(searched, out, (one) => value.gain(one, rest));
      if (place === undefined || gain <= lost) break;
      out.add(place);
      const exchanged = problem.setOf([...rest, place]);
      if (exchanged.cost <= most) return exchanged;
    }
    if (lost < 0) return problem.setOf(rest);
  }
  return undefined;
}
