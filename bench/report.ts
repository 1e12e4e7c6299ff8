import { type BenchOutcome, machine } from './harness.js';

export interface BenchReport extends BenchOutcome {
  readonly bench: string;
  readonly machine: string;
  /** Day of the run. */
  readonly date: string;
}

export const reportOf = (bench: string, outcome: BenchOutcome): BenchReport => ({
  bench,
  figures: outcome.figures,
  goals: outcome.goals,
  skipped: outcome.skipped,
  model: outcome.model,
  machine: machine(),
  date: new Date().toISOString().slice(0, 10),
});

/** Figures, then goals, then what was left out, for people. */
export function linesOf({ figures, goals, skipped }: BenchOutcome): string[] {
  return [
    ...Object.entries(figures).map(([name, value]) => `${name.padEnd(44)} ${value}`),
    ...Object.entries(goals).map(
      ([name, { met, value, goal }]) =>
        `${met ? 'met   ' : 'MISSED'} ${name.padEnd(44)} ${value} (${goal})`,
    ),
    ...skipped.map((what) => `LEFT OUT ${what}`),
  ];
}
