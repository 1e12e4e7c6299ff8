import type { CandidateSet } from '../problem.js';

/** A set in the search, with what was found behind it. */
export class TreeNode {
  readonly set: CandidateSet;
  /** Place that this node adds to its parent's set; undefined at the root. */
  readonly place: number | undefined;
  readonly children: TreeNode[] = [];
  visits = 0;
  /** Sum of the values that were found here and below, not brought to [0, 1]. */
  reward = 0;
  /** Most of them. */
  best = -Infinity;
  /** Places that may still become children; undefined until the node is looked at. */
  open: number[] | undefined;
  /** Nothing is left to be found here and below. */
  isSpent = false;

  constructor(set: CandidateSet, place?: number) {
    this.set = set;
    this.place = place;
  }
}

/** Adds a reward to all nodes of a path. */
export function propagate(path: readonly TreeNode[], value: number): void {
  for (const node of path) {
    node.visits++;
    node.reward += value;
    node.best = Math.max(node.best, value);
  }
}

export interface UcbOptions {
  readonly exploration: number;
  readonly costCoefficient: number;
  readonly budget: number;
  /** Lowest and highest value found so far. */
  readonly low: number;
  readonly high: number;
}

/**
 * The upper confidence bound with a charge for cost (CORAG, arXiv 2411.00744, as its code has it):
 * `reward / visits + C sqrt(ln(visits of the parent) / visits) - lambda cost / budget`. Rewards are brought to [0, 1] by
 * the lowest and highest value so far, so that C and lambda mean the same for every kind of value.
 */
export function ucb(node: TreeNode, parentVisits: number, options: UcbOptions): number {
  const { exploration, costCoefficient, budget, low, high } = options;
  if (node.visits === 0) return Infinity;
  const mean = node.reward / node.visits;
  const reward = high > low ? (mean - low) / (high - low) : 0.5;
  const bonus = exploration * Math.sqrt(Math.log(Math.max(1, parentVisits)) / node.visits);
  return reward + bonus - (costCoefficient * node.set.cost) / budget;
}
