import { InvalidArgumentError } from '../../errors.js';
import { assertNumber, assertWhole } from '../numbers.js';

/** How the tree is searched. */
export interface CoragSettings {
  /** C of the UCB formula: how much little-visited nodes are favoured; rewards are brought to [0, 1] first. */
  readonly exploration: number;
  /** Lambda of the UCB formula: what a node loses for its share of the budget. */
  readonly costCoefficient: number;
  /** Most sets whose value is asked. */
  readonly evaluations: number;
  /** Children that one expansion adds at most, judged in one call. */
  readonly branch: number;
  /** Most chunks that the tree itself adds; what comes behind is put in by the completion. */
  readonly depth: number;
  /**
   * `learned`: a new child is completed with chunks that the model of all judged sets favours, and the completed set is
   * judged. `none`: the child's own set is judged, as published.
   */
  readonly completion: 'learned' | 'none';
  /**
   * What the model expects chunks to be worth to each other, for better or worse, against what they are worth by
   * themselves: the standard deviation of the one over that of the other.
   */
  readonly interplay: number;
}

/** What a search starts from where nothing else is said; see docs/selection.md for how it was found. */
export const coragDefaults: CoragSettings = {
  exploration: 0.3,
  costCoefficient: 0.1,
  evaluations: 60,
  branch: 4,
  depth: 3,
  completion: 'learned',
  interplay: 0.25,
};

/**
 * As published in CORAG (arXiv 2411.00744): C = 2.4, lambda = 0.1, every chunk that fits as a child at once, each
 * judged by its own set. The paper gives 10 iterations of as many evaluations as there are chunks left.
 */
export const coragPublished: CoragSettings = {
  exploration: 2.4,
  costCoefficient: 0.1,
  evaluations: 256,
  branch: 1024,
  depth: 1024,
  completion: 'none',
  interplay: 0,
};

/** @throws InvalidArgumentError for settings outside of their ranges */
export function checkedSettings(settings: CoragSettings): CoragSettings {
  assertNumber('coragSelector: exploration', settings.exploration, 0);
  assertNumber('coragSelector: costCoefficient', settings.costCoefficient, 0);
  assertNumber('coragSelector: interplay', settings.interplay, 0);
  assertWhole('coragSelector: evaluations', settings.evaluations);
  assertWhole('coragSelector: branch', settings.branch);
  assertWhole('coragSelector: depth', settings.depth);
  const { completion } = settings;
  if (completion === 'learned' || completion === 'none') return settings;
  throw new InvalidArgumentError(
    `coragSelector: completion is "${String(completion)}"; give "learned" or "none".`,
  );
}
