import { normalisedGain, recallAt, reciprocalRank, fittingHits } from '../../lib/evaluate/index.js';
import type { ScoredChunk } from '../../lib/index.js';
import type { Judge } from './judge.js';

/** Passages asked of every arm: more than the largest budget holds. */
export const depth = 50;

export interface MeasureOptions {
  readonly ranks: readonly number[];
  readonly budgets: readonly number[];
}

/** Measures of one question, by name. */
export type Measures = Readonly<Record<string, number>>;

export function measure(
  hits: readonly ScoredChunk[],
  judge: Judge,
  { ranks, budgets }: MeasureOptions,
): Measures {
  const chunks = hits.map(({ chunk }) => chunk);
  const gains = judge.gains(chunks);
  const sizes = chunks.map(({ tokens }) => tokens.length);
  const measures: Record<string, number> = {};
  for (const k of ranks) measures[`recall@${k}`] = recallAt(gains, k);
  measures['MRR'] = reciprocalRank(gains);
  measures['nDCG@10'] = normalisedGain(gains, judge.ideal, 10);
  for (const budget of budgets) {
    const taken = fittingHits(sizes, budget).map((i) => chunks[i] as (typeof chunks)[number]);
    const found = judge.gains(taken);
    measures[`recall in ${budget}`] = recallAt(found, Math.max(1, found.length));
    measures[`precision in ${budget}`] = taken.length > 0 ? judge.precision(taken) : 0;
  }
  return measures;
}
