import { InvalidArgumentError } from '../../errors.js';
import { assertRatio, budgetOf, ofStale, refreshes, staleTokens } from '../budget.js';
import { shiftCarry } from '../carry/shift.js';
import type { FidelityTarget } from '../fidelity-target.js';
import { heaviest } from '../heaviest.js';
import type { PolicyInput, RecomputePolicy, RefreshPlan } from '../policy.js';

/** Tokens of the windows that changes are averaged over, and over which they fade by half. */
const window = 32;

/** How much is computed again. */
export type HybridBudget =
  /** A share of the passages' tokens, in [0, 1]. */
  | { readonly ratio: number }
  /** So many tokens. */
  | { readonly tokens: number }
  /** What so many milliseconds allow by what was measured here; as with `coverage` while nothing was. */
  | { readonly milliseconds: number }
  /** What answers need to be as near to a full prefill's as they are to be: see `fidelityTarget`. Needs shadow checks. */
  | FidelityTarget
  | HybridCoverage;

/**
 * As many tokens as hold so much of the question's attention to passages: few where it looks at few, more where it looks
 * around.
 */
export interface HybridCoverage {
  /** Share of the attention to tokens that are not exact, in (0, 1]; default 0.6. */
  readonly coverage?: number;
  /** Least and most share of the passages' tokens, in [0, 1]; default 0.02 and 0.3. */
  readonly least?: number;
  readonly most?: number;
}

export interface HybridPolicyOptions {
  /** Default: as many as hold 60% of the question's attention. */
  readonly budget?: HybridBudget;
  /** Layers whose attention counts, ascending; default {@link ModelInfo.probeLayers}. */
  readonly layers?: readonly number[];
  /**
   * Share of the mean change of refreshed tokens that those near them get, in [0, 1]; default 0.5. Without it the question
   * is computed in one batch with the refreshed tokens, which is faster.
   */
  readonly strength?: number;
}

/**
 * The default of a weave: tokens that the whole question looks at most in the middle to late layers are computed again, as
 * many as its attention is spread over, and half of their mean change is carried to the others near them. It was found
 * with `npm run bench -- fidelity`; docs/policies.md tells what else was tried.
 * @throws InvalidArgumentError
 */
export function hybridPolicy(options: HybridPolicyOptions = {}): RecomputePolicy {
  const { budget = {}, layers, strength = 0.5 } = options;
  assertRatio('hybridPolicy', strength, 'strength');
  const carry = strength > 0 ? shiftCarry({ strength, window, halfLife: window }) : undefined;
  const countFor = counterOf(budget);
  const name = `hybrid(${nameOf(budget)}${carry ? `, shift ${strength}` : ''})`;
  return {
    name,
    ...(isTarget(budget) && { observe: (check) => budget.observe(check) }),
    async plan(input: PolicyInput): Promise<RefreshPlan> {
      const { passages, probes } = input;
      const known = countFor.before(input);
      if (known === 0 || staleTokens(passages) === 0) return { policy: name, passages: [] };
      const attention = await probes.questionAttention(layers ? { layers } : {});
      const scores = ofStale(passages, attention.passages);
      const count = known ?? countFor.by(input, scores);
      const picked = heaviest(scores, Math.min(count, staleTokens(passages)));
      return {
        policy: name,
        passages: refreshes(picked, 'the question looks at them most'),
        ...(carry && count > 0 && { carry }),
      };
    },
  };
}

interface Counter {
  /** How many tokens, where that does not depend on the question's attention. */
  before(input: PolicyInput): number | undefined;
  by(input: PolicyInput, scores: readonly (Float32Array | undefined)[]): number;
}

function counterOf(budget: HybridBudget): Counter {
  if ('ratio' in budget) {
    assertRatio('hybridPolicy', budget.ratio);
    return { before: ({ passages }) => budgetOf(passages, budget.ratio), by: () => 0 };
  }
  if ('tokens' in budget) {
    assertLimit('tokens', budget.tokens);
    return { before: () => Math.floor(budget.tokens), by: () => 0 };
  }
  if (isTarget(budget)) {
    return {
      before: () => undefined,
      by: (input, scores) =>
        adaptiveCounter({ coverage: budget.coverage, least: 0, most: 1 }).by(input, scores),
    };
  }
  const adaptive = adaptiveCounter('milliseconds' in budget ? {} : budget);
  if (!('milliseconds' in budget)) return adaptive;
  assertLimit('milliseconds', budget.milliseconds);
  return {
    before: ({ msPerToken }) =>
      msPerToken === undefined ? undefined : Math.floor(budget.milliseconds / msPerToken),
    by: adaptive.by,
  };
}

function adaptiveCounter({ coverage = 0.6, least = 0.02, most = 0.3 }: HybridCoverage): Counter {
  assertRatio('hybridPolicy', coverage, 'coverage');
  assertRatio('hybridPolicy', least, 'least');
  assertRatio('hybridPolicy', most, 'most');
  if (coverage === 0) throw new InvalidArgumentError('hybridPolicy: coverage is 0; give more.');
  if (least > most) {
    throw new InvalidArgumentError(
      `hybridPolicy: least is ${least} and most is ${most}; give no more for least than for most.`,
    );
  }
  return {
    before: () => undefined,
    by: ({ passages }, scores) =>
      Math.min(
        budgetOf(passages, most),
        Math.max(budgetOf(passages, least), tokensCovering(scores, coverage)),
      ),
  };
}

/** The fewest weights that come to a share of all. */
export function tokensCovering(
  scores: readonly (Float32Array | undefined)[],
  share: number,
): number {
  const all = Float32Array.from(scores.flatMap((row) => [...(row ?? [])]))
    .sort()
    .toReversed();
  // Added up in the order below, so that all of them come to exactly the whole and tokens without weight are not taken.
  let total = 0;
  for (const weight of all) total += weight;
  let sum = 0;
  let count = 0;
  while (count < all.length && sum < share * total) sum += all[count++] as number;
  return count;
}

function assertLimit(name: string, value: number): void {
  if (value >= 0 && Number.isFinite(value)) return;
  throw new InvalidArgumentError(`hybridPolicy: ${name} is ${value}; give a number of at least 0.`);
}

const isTarget = (budget: HybridBudget): budget is FidelityTarget => 'observe' in budget;

function nameOf(budget: HybridBudget): string {
  if (isTarget(budget)) return `KL of ${budget.kl}`;
  if ('ratio' in budget) return String(budget.ratio);
  if ('tokens' in budget) return `${budget.tokens} tokens`;
  if ('milliseconds' in budget) return `${budget.milliseconds} ms`;
  return `coverage ${budget.coverage ?? 0.6}`;
}
