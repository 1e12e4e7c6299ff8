import { type Instance, worthOf } from './instances.js';

export interface Optimum {
  readonly members: readonly number[];
  readonly worth: number;
  /** False where it was given up: what was found by then may not be the best. */
  readonly isProven: boolean;
}

/** Sets that are looked at before it is given up. */
const mostNodes = 300_000;

/**
 * The set of most worth within the budget, by branch and bound. The bound gives each open candidate what it could add
 * at most: the facts that it tells as if it were the next one, and of a hop all where the other side is there, half
 * where neither is; then fills the budget with the best of them for their cost, the last one in part. What harms must be
 * in no hop: it is passed over where it cannot help.
 */
export function optimumOf(instance: Instance): Optimum {
  const { candidates, budget, facts, hops, harm } = instance;
  const costs = candidates.map(({ chunk }) => chunk.tokens.length);
  const hopsOf = candidates.map((_, place) =>
    hops.flatMap(({ weight, bridges, ends }) => [
      ...(bridges.includes(place) ? [{ weight, mine: bridges, other: ends }] : []),
      ...(ends.includes(place) ? [{ weight, mine: ends, other: bridges }] : []),
    ]),
  );
  let best: { members: readonly number[]; worth: number } = { members: [], worth: 0 };
  let nodes = 0;

  const mostOf = (place: number, members: readonly number[], untold: Float64Array): number => {
    let most = -(harm[place] as number);
    for (const [f, { weight, told }] of facts.entries()) {
      most += weight * (untold[f] as number) * (told[place] as number);
    }
    for (const { weight, mine, other } of hopsOf[place] as (typeof hopsOf)[number]) {
      if (mine.some((one) => members.includes(one))) continue;
      most += other.some((one) => members.includes(one)) ? weight : weight / 2;
    }
    return most;
  };

  const visit = (
    members: readonly number[],
    left: number,
    untold: Float64Array,
    open: readonly number[],
  ): void => {
    if (++nodes > mostNodes) return;
    const worth = worthOf(instance, members);
    if (worth > best.worth) best = { members, worth };
    const useful = open
      .filter((place) => (costs[place] as number) <= left)
      .map((place) => ({ place, most: mostOf(place, members, untold) }))
      .filter(({ most }) => most > 0)
      .sort(
        (a, b) =>
          b.most / (costs[b.place] as number) - a.most / (costs[a.place] as number) ||
          a.place - b.place,
      );
    for (const [i, { place }] of useful.entries()) {
      if (worth + bound(useful.slice(i), left, costs) <= best.worth + 1e-12) return;
      const next = untold.map((share, f) => share * (1 - (facts[f]?.told[place] as number)));
      visit(
        [...members, place],
        left - (costs[place] as number),
        next,
        useful.slice(i + 1).map((one) => one.place),
      );
    }
  };
  visit(
    [],
    budget,
    new Float64Array(facts.length).fill(1),
    candidates.map((_, place) => place),
  );
  return { ...best, isProven: nodes <= mostNodes };
}

function bound(
  open: readonly { readonly place: number; readonly most: number }[],
  budget: number,
  costs: readonly number[],
): number {
  let left = budget;
  let most = 0;
  for (const { place, most: own } of open) {
    const cost = costs[place] as number;
    if (cost >= left) return most + (own * left) / cost;
    most += own;
    left -= cost;
  }
  return most;
}
