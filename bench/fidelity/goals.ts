import type { Cell } from '../../lib/evaluate/index.js';
import { atLeast, atMost, type Goal, round } from '../harness.js';
import type { ArmResult } from './lab.js';
import { fidelityReport } from './report.js';
import type { ArmSummary } from './report/summary.js';

/** Share of the KL of `none` that is to be gone at a ratio. */
const removedGoals: readonly (readonly [ratio: number, share: number])[] = [
  [0, 0.65],
  [0.05, 0.8],
  [0.15, 0.9],
];

/** Figures of every arm, and how those of one policy stand to what is asked of it. */
export function fidelityGoals(
  cells: readonly Cell<ArmResult>[],
  policy: string,
): { readonly figures: Record<string, number>; readonly goals: Record<string, Goal> } {
  const { all, tests, sort } = fidelityReport(
    cells,
    cells.some(({ arm }) => (arm as { policy?: string }).policy === policy)
      ? { against: policy }
      : {},
  );
  const figures: Record<string, number> = {};
  const goals: Record<string, Goal> = {};
  for (const summary of all) {
    const { warmup, policy: name, ratio } = summary.arm;
    const key = `${warmup}.${name}.${ratio}`;
    figures[`${key}.kl`] = round(summary.kl.value);
    figures[`${key}.share`] = round(summary.share);
    if (summary.timeShare >= 0) figures[`${key}.time`] = round(summary.timeShare);
    if (summary.probeShare !== undefined) figures[`${key}.probe`] = round(summary.probeShare);
    if (sort?.isAboveChance && summary.sort) figures[`${key}.sort`] = round(summary.sort.value);
    if (summary.removed) figures[`${key}.removed`] = round(summary.removed.value);
  }
  if (sort) {
    figures['sort.full'] = round(sort.right / sort.pairs);
    figures['sort.full.p'] = round(sort.p);
  }
  for (const warmup of new Set(all.map(({ arm }) => arm.warmup))) {
    if (warmup === 'prefix') continue;
    for (const [ratio, share] of removedGoals) {
      const wanted = ratio === 0 ? 'none' : policy;
      const found = all.find(
        ({ arm }) => arm.warmup === warmup && arm.policy === wanted && arm.ratio === ratio,
      );
      if (!found?.removed) continue;
      goals[`${warmup}.removed.${ratio}`] = atLeast(found.removed.value, share);
      if (ratio === 0.15) goals[`${warmup}.agree.${ratio}`] = atLeast(found.agree.value, 0.95);
    }
    for (const [name, least, most] of [
      ['80', 0.8, 0.2],
      ['90', 0.9, 0.27],
    ] as const) {
      const cheapest = cheapestThatRemoves(all, warmup, policy, least);
      if (cheapest) goals[`${warmup}.time.at${name}`] = atMost(cheapest.timeShare, most);
    }
  }
  for (const { cost, warmup, other, verdict, difference } of tests) {
    goals[`${warmup}.better.${other}${cost === 'time' ? '' : `.by-${cost}`}`] = {
      value: round(difference.value),
      goal: 'area below the other, clear after Holm',
      met: verdict === 'better',
    };
  }
  return { figures, goals };
}

/** What is asked of the probe's time is asked at prompts of some 4,000 tokens: in shorter ones the question weighs more. */
export function probeGoals(
  figures: Readonly<Record<string, number>>,
  policy: string,
  promptTokens: number,
): Record<string, Goal> {
  if (promptTokens < 3600) return {};
  const found = Object.entries(figures).filter(
    ([name]) => name.includes(`.${policy}.`) && name.endsWith('.probe'),
  );
  return Object.fromEntries(found.map(([name, share]) => [name, atMost(share, 0.02)]));
}

function cheapestThatRemoves(
  all: readonly ArmSummary[],
  warmup: string,
  policy: string,
  share: number,
): ArmSummary | undefined {
  return all
    .filter(({ arm, removed, timeShare }) => {
      if (!(timeShare >= 0)) return false;
      const fits = arm.policy === policy || arm.policy === 'none';
      return fits && arm.warmup === warmup && (removed?.value ?? 0) >= share;
    })
    .sort((a, b) => a.timeShare - b.timeShare)[0];
}
