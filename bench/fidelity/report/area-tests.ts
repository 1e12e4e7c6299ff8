import {
  bootstrapMean,
  type BootstrapOptions,
  holm,
  type Interval,
  mean,
  meanHeight,
  pairedTest,
} from '../../../lib/evaluate/index.js';
import { InvalidArgumentError } from '../../../lib/index.js';
import { type ArmResults, timeShare } from './results.js';

/** Shares of a full prefill's cost between which policies are compared. */
export const costRange = { from: 0.05, to: 0.3 } as const;

/** What KL is held against: layer-tokens, which any machine counts alike, or measured time, which has what those lack. */
export type Cost = 'share' | 'time';

/** One policy against another one under the same warm-up. */
export interface AreaTest {
  readonly cost: Cost;
  readonly warmup: string;
  readonly policy: string;
  readonly other: string;
  /** Cases that have all ratios of both. */
  readonly cases: number;
  /** Mean KL between the ends of {@link costRange}, over cases. */
  readonly area: number;
  readonly otherArea: number;
  /** `area - otherArea` with its 95% interval: below zero, the policy is better. */
  readonly difference: Interval;
  /** Two-sided sign-flip test. */
  readonly p: number;
  /** The same, adjusted for all tests that were made against this cost (Holm). */
  readonly adjusted: number;
  readonly verdict: 'better' | 'worse' | 'not told apart';
}

const notCompared = new Set(['none', 'full', 'floor']);

/**
 * Compares a policy with each other one by the area under KL against a cost, case by case. Less than the
 * smallest ratio takes buys what `none` under the same warm-up gives: all curves begin there.
 * @throws InvalidArgumentError when the policy is not among the results
 */
export function areaTests(
  results: readonly ArmResults[],
  policy: string,
  cost: Cost,
  options?: BootstrapOptions,
): AreaTest[] {
  if (!results.some(({ arm }) => arm.policy === policy)) {
    throw new InvalidArgumentError(
      `No results of the policy "${policy}" to compare others with; run it too.`,
    );
  }
  const tests = [...new Set(results.map(({ arm }) => arm.warmup))].flatMap((warmup) => {
    const here = results.filter(({ arm }) => arm.warmup === warmup);
    const others = new Set(here.map(({ arm }) => arm.policy));
    return [...others].flatMap((other) =>
      other === policy || notCompared.has(other)
        ? []
        : testOf(here, { cost, warmup, policy, other }, options),
    );
  });
  const adjusted = holm(tests.map(({ p }) => p));
  return tests.map((test, i) => {
    const p = adjusted[i] as number;
    const { low, high } = test.difference;
    const verdict =
      p < 0.05 && high < 0 ? 'better' : p < 0.05 && low > 0 ? 'worse' : 'not told apart';
    return { ...test, adjusted: p, verdict };
  });
}

/** Nothing where no case has all ratios of both, or nothing is known of what one of them costs. */
function testOf(
  here: readonly ArmResults[],
  names: Pick<AreaTest, 'cost' | 'warmup' | 'policy' | 'other'>,
  options: BootstrapOptions | undefined,
): Omit<AreaTest, 'adjusted' | 'verdict'>[] {
  const of = (name: string) => here.filter(({ arm }) => arm.policy === name);
  const [own, its, none] = [of(names.policy), of(names.other), of('none')];
  if (names.cost === 'time' && !(isTimed(own) && isTimed(its))) return [];
  const cases = [...(own[0]?.byCase.keys() ?? [])].filter((id) =>
    [...own, ...its, ...none].every(({ byCase }) => byCase.has(id)),
  );
  if (cases.length === 0) return [];
  const a = cases.map((id) => areaOf([...none, ...own], id, names.cost));
  const b = cases.map((id) => areaOf([...none, ...its], id, names.cost));
  const differences = a.map((value, i) => value - (b[i] as number));
  return [
    {
      ...names,
      cases: cases.length,
      area: mean(a),
      otherArea: mean(b),
      difference: bootstrapMean(differences, options),
      p: pairedTest(a, b).p,
    },
  ];
}

function isTimed(arms: readonly ArmResults[]): boolean {
  return arms.some(({ byCase }) => [...byCase.values()].some((result) => timeShare(result) > 0));
}

function areaOf(arms: readonly ArmResults[], id: string, cost: Cost): number {
  const points = arms.flatMap(({ byCase }) => {
    const result = byCase.get(id);
    if (!result) return [];
    const x = cost === 'time' ? timeShare(result) : result.share;
    // Times of another log may lack an arm.
    return Number.isFinite(x) ? [{ x, y: result.kl }] : [];
  });
  return meanHeight(points, costRange.from, costRange.to);
}
