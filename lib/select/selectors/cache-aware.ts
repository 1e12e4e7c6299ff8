import { InvalidArgumentError } from '../../errors.js';
import { fill } from '../fill.js';
import { selectionOf } from '../finish.js';
import { assertWhole, number } from '../numbers.js';
import { type CandidateSet, SelectionProblem } from '../problem.js';
import type { Selection, SelectionRequest, Selector } from '../selector.js';

export interface CacheAwareSelectorOptions {
  /** So many of the best candidates are always in where they fit, cached or not; default 3. */
  readonly sure?: number;
  /** A candidate of rank r is worth 1 / r^power; default 2. */
  readonly power?: number;
  /**
   * With it a candidate is worth that times (score / best score)^scorePower, scores below 0 taken as 0; default 0: scores count for
   * nothing but the ranks. Where no score is above 0 they do not either.
   */
  readonly scorePower?: number;
  /**
   * Only candidates that are worth at least so much for each unit of the cost that they add come in, beside the `sure` ones;
   * default 0: all that fit. So a budget is spent where it finds something: what is left of one question's is another's time.
   */
  readonly leastPerCost?: number;
}

/**
 * The best few candidates, then those that are worth most for the cost that they add, while they fit. With a cost that
 * knows what is cached (milliseconds), a cached candidate of lower rank may come before one that would have to be
 * computed; where all are cached, or none is, it goes by rank and length. Asks for no values: the ranks are all it knows.
 *
 * @throws InvalidArgumentError for a `sure` that is no whole number of at least 0, a `power` that is no number above 0, or a
 * `scorePower` or `leastPerCost` that is no number of at least 0
 */
export function cacheAwareSelector(options: CacheAwareSelectorOptions = {}): Selector {
  const { sure = 3, power = 2, scorePower = 0, leastPerCost = 0 } = options;
  if (sure !== 0) assertWhole('cacheAwareSelector: sure', sure);
  if (!(power > 0 && Number.isFinite(power))) {
    throw new InvalidArgumentError(`cacheAwareSelector: power is ${power}; give a number above 0.`);
  }
  for (const [option, given] of Object.entries({ scorePower, leastPerCost })) {
    if (given >= 0 && Number.isFinite(given)) continue;
    throw new InvalidArgumentError(
      `cacheAwareSelector: ${option} is ${given}; give a number of at least 0.`,
    );
  }
  const name = 'cache-aware';
  return {
    name,
    async select(request: SelectionRequest): Promise<Selection> {
      const problem = new SelectionProblem(name, request);
      const places = problem.searched(maxCandidates);
      const scores = problem.candidates.map(({ score }) => Math.max(0, score));
      const best = scores.reduce((most, score) => Math.max(most, score), 0);
      const worthOf = (place: number): number =>
        (place + 1) ** -power * (best > 0 ? ((scores[place] as number) / best) ** scorePower : 1);
      const first = places.filter((place) => place < sure);
      let set = fill(problem, problem.empty, first);
      const dearness = new Map<number, number>();
      let waiting = places.filter((place) => !set.members.includes(place));
      while (waiting.length > 0 && !problem.isLate()) {
        const { next, left } = densest(problem, set, waiting, { worthOf, leastPerCost });
        for (const { place, added } of left) dearness.set(place, added);
        if (!next) break;
        set = next.set;
        waiting = left.map(({ place }) => place).filter((place) => place !== next.place);
      }
      const looked = new Set(places);
      return selectionOf(problem, set, (place, isChosen) => {
        if (isChosen) {
          return place < sure
            ? `among the best ${sure}`
            : `number ${place + 1}, worth what it adds to the cost`;
        }
        if (!looked.has(place)) return `not among the first ${maxCandidates} that fit the budget`;
        const added = dearness.get(place);
        const how = added === undefined ? '' : `: it would add ${number(added)}`;
        if (added !== undefined && worthOf(place) < leastPerCost * added) {
          return `not worth ${number(added)} more`;
        }
        return `no room was left in the budget after those worth more for their cost${how}`;
      });
    },
  };
}

/** Candidates beyond are passed over. */
const maxCandidates = 64;

interface Extension {
  readonly place: number;
  readonly set: CandidateSet;
  /** What it adds to the cost. */
  readonly added: number;
}

function densest(
  problem: SelectionProblem,
  set: CandidateSet,
  places: readonly number[],
  { worthOf, leastPerCost }: { worthOf: (place: number) => number; leastPerCost: number },
): { next: Extension | undefined; left: Extension[] } {
  // What does not fit now never will.
  const left = places.flatMap((place): Extension[] => {
    const extended = problem.extended(set, place);
    return extended ? [{ place, set: extended, added: extended.cost - set.cost }] : [];
  });
  let next: Extension | undefined;
  let most = -Infinity;
  for (const one of left) {
    const density = worthOf(one.place) / Math.max(one.added, Number.MIN_VALUE);
    if (density <= most || density < leastPerCost) continue;
    most = density;
    next = one;
  }
  return { next, left };
}
