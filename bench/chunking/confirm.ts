import { halfOf, type Interval, mean } from '../../lib/evaluate/index.js';
import type { ReferencedQuestion } from './data.js';
import { budgets, difference, type QuestionScores } from './quality.js';

/** Scores of one chunking with one retriever, one for each question. */
export interface ScoredArm {
  readonly name: string;
  readonly retriever: string;
  readonly size: number;
  readonly scores: QuestionScores;
}

export interface Confirmation {
  readonly size: number;
  readonly retriever: string;
  /** What was best on the search half, by the mean of its gains at all budgets. */
  readonly chosen: string;
  /** Gains over the baseline on each half, one for each budget. */
  readonly search: readonly Interval[];
  readonly heldOut: readonly Interval[];
}

/**
 * The arm that is furthest ahead of the baseline on the search half of the questions, and what it gains on the other
 * half, which nothing was chosen on: once for each size and retriever.
 */
export function confirm(
  arms: readonly ScoredArm[],
  baseline: string,
  questions: readonly ReferencedQuestion[],
): Confirmation[] {
  const halves = { search: [] as number[], heldOut: [] as number[] };
  for (const [i, { question }] of questions.entries()) {
    halves[halfOf(question) === 'search' ? 'search' : 'heldOut'].push(i);
  }
  if (halves.search.length === 0 || halves.heldOut.length === 0) return [];
  const found: Confirmation[] = [];
  for (const base of arms.filter(({ name }) => name === baseline)) {
    const gains = (arm: ScoredArm, half: readonly number[]): Interval[] =>
      budgets.map((budget) => {
        const pick = ({ recall }: QuestionScores): Float64Array =>
          Float64Array.from(half, (i) => recall[budget][i] as number);
        return difference(pick(arm.scores), pick(base.scores));
      });
    const others = arms
      .filter(({ size, retriever }) => size === base.size && retriever === base.retriever)
      .filter(({ name }) => name !== baseline)
      .map((arm) => ({ arm, search: gains(arm, halves.search) }));
    const [best] = others.sort((a, b) => meanGain(b) - meanGain(a));
    if (!best) continue;
    found.push({
      size: base.size,
      retriever: base.retriever,
      chosen: best.arm.name,
      search: best.search,
      heldOut: gains(best.arm, halves.heldOut),
    });
  }
  return found;
}

const meanGain = ({ search }: { readonly search: readonly Interval[] }): number =>
  mean(search.map(({ value }) => value));
