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
  if (!first) return '';
  const pairs = others.map((outcome) => [outcome, first] as const);
  return pairsTable(`less ${first.name}`, pairs, measures, format);
}

/** The same of arms that add something to another, to that one. */
export function gainsTable(
  outcomes: readonly ArmOutcome[],
  measures: readonly string[],
  format: Format,
): string {
  return pairsTable('less its base', basesOf(outcomes), measures, format);
}

/** Arms that add something to another, and what they add to. */
export function basesOf(
  outcomes: readonly ArmOutcome[],
): (readonly [outcome: ArmOutcome, base: ArmOutcome])[] {
  return outcomes.flatMap((outcome) => {
    const base = outcomes.find(({ name }) => name === outcome.base);
    return base ? [[outcome, base] as const] : [];
  });
}

function pairsTable(
  title: string,
  pairs: readonly (readonly [outcome: ArmOutcome, other: ArmOutcome])[],
  measures: readonly string[],
  format: Format,
): string {
  if (pairs.length === 0) return '';
  return formatTable({
    columns: [title, ...measures.map((name) => ({ name, align: 'right' as const }))],
    rows: pairs.map(([outcome, other]) => [
      outcome.name,
      ...measures.map((name) => differenceOf(outcome, other, name)),
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
