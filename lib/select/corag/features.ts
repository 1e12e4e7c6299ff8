import { termsOf } from '../../retrieve/terms.js';
import type { SelectionRequest } from '../selector.js';

export const featureNames = [
  'fit',
  'candidates',
  'meanScore',
  'scoreDeviation',
  'scoreOfLastFit',
  'costDeviation',
  'costWithScore',
  'questionTerms',
  'linkingTerms',
] as const;

/** Words that lead from one thing to another: questions of several hops have more of them. */
const linking = new Set([
  'of',
  'that',
  'which',
  'who',
  'whose',
  'where',
  'whom',
  'from',
  'by',
  'in',
]);

/** What a question and its candidates look like before anything is judged, a number for each of {@link featureNames}. */
export function featuresOf({ question, candidates, cost, budget }: SelectionRequest): number[] {
  const scores = unitRange(candidates.map(({ score }) => score));
  const costs = candidates.map((candidate) => cost.of([candidate]));
  const meanCost = mean(costs);
  const fit = meanCost > 0 ? budget / meanCost : candidates.length;
  const last = Math.min(candidates.length, Math.max(1, Math.round(fit))) - 1;
  const terms = termsOf(question);
  return [
    Math.log1p(fit),
    Math.log1p(candidates.length),
    mean(scores),
    deviation(scores),
    scores[last] ?? 0,
    meanCost > 0 ? deviation(costs) / meanCost : 0,
    correlation(costs, scores),
    Math.log1p(terms.length),
    terms.filter((term) => linking.has(term)).length,
  ];
}

function unitRange(scores: readonly number[]): number[] {
  const worst = scores.reduce((least, score) => Math.min(least, score), Infinity);
  const best = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  return scores.map((score) => (best > worst ? (score - worst) / (best - worst) : 0.5));
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const spread = deviation(a) * deviation(b);
  if (!(spread > 0)) return 0;
  const [middleA, middleB] = [mean(a), mean(b)];
  const products = a.map((value, i) => (value - middleA) * ((b[i] as number) - middleB));
  return mean(products) / spread;
}
