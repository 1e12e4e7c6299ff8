import { bootstrapMean, formatTable, type Interval, mean } from '../../lib/evaluate/index.js';
import type { ArmOutcome } from './evaluate.js';

type Format = 'text' | 'markdown';

/** Means over questions: one row an arm, one column a measure. */
export function meansTable(outcomes: readonly ArmOutcome[], format: Format): string {
  const names = Object.keys(outcomes[0]?.measures[0] ?? {});
  return formatTable({
    columns: ['retriever', 'setting', ...names],
    rows: outcomes.map((outcome) => [
      outcome.name,
      outcome.setting,
      ...names.map((name) => mean(valuesOf(outcome, name))),
    ]),
    format,
  });
}

/** Differences to the first arm, question by question, with their 95% intervals. */
export function differencesTable(
  outcomes: readonly ArmOutcome[],
  measures: readonly string[],
  format: Format,
): string {
  const [first, ...others] = outcomes;
  if (!first || others.length === 0) return '';
  return formatTable({
    columns: [`less ${first.name}`, ...measures.map((name) => ({ name, align: 'right' as const }))],
    rows: others.map((outcome) => [
      outcome.name,
      ...measures.map((name) => differenceOf(outcome, first, name)),
    ]),
    format,
  });
}

export function differenceOf(outcome: ArmOutcome, other: ArmOutcome, measure: string): Interval {
  const its = valuesOf(other, measure);
  return bootstrapMean(valuesOf(outcome, measure).map((value, i) => value - (its[i] as number)));
}

export function valuesOf({ measures }: ArmOutcome, name: string): number[] {
  return measures.map((one) => one[name] as number);
}
