import { halfOf, mean, type EvaluationQuestion } from '../../lib/evaluate/index.js';
import type { Retriever } from '../../lib/index.js';
import type { Arm } from './arms.js';
import type { Judge } from './judge.js';
import { depth, measure, type MeasureOptions, type Measures } from './measures.js';

export interface JudgedCase {
  readonly item: EvaluationQuestion;
  readonly judge: Judge;
}

/** What an arm came to, with the setting that was best on the search half. */
export interface ArmOutcome {
  readonly name: string;
  /** See {@link Arm.base}. */
  readonly base?: string;
  readonly setting: string;
  /** One for each case that is reported on, in their order. */
  readonly measures: readonly Measures[];
}

/** By this measure settings are chosen. */
const chosenBy = 'nDCG@10';

/** Settings are chosen on one half of the questions, and told of on the other. */
export async function evaluateArm(
  arm: Arm,
  cases: readonly JudgedCase[],
  half: 'held-out' | 'all',
  options: MeasureOptions,
): Promise<ArmOutcome> {
  const isSearch = ({ item }: JudgedCase): boolean => halfOf(item.question) === 'search';
  const searched = cases.filter(isSearch);
  const reported = half === 'all' ? cases : cases.filter((one) => !isSearch(one));
  let best = arm.settings[0] as Arm['settings'][number];
  if (arm.settings.length > 1) {
    let bestMean = -Infinity;
    for (const setting of arm.settings) {
      const found = await measuresOf(setting.retriever, searched, options);
      const its = mean(found.map((one) => one[chosenBy] as number));
      if (its > bestMean) [best, bestMean] = [setting, its];
    }
  }
  return {
    name: arm.name,
    ...(arm.base !== undefined && { base: arm.base }),
    setting: best.name,
    measures: await measuresOf(best.retriever, reported, options),
  };
}

async function measuresOf(
  retriever: Pick<Retriever, 'search'>,
  cases: readonly JudgedCase[],
  options: MeasureOptions,
): Promise<Measures[]> {
  const all: Measures[] = [];
  for (const { item, judge } of cases) {
    all.push(measure(await retriever.search(item.question, { k: depth }), judge, options));
  }
  return all;
}
