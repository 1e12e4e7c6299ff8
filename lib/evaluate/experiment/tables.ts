import type { Interval } from '../statistics/bootstrap.js';
import { formatTable, type TableCell } from '../report/table.js';
import type { AnySetting } from './grid.js';
import type { ExperimentOutcome } from './outcome.js';

/** Names of the axes, in the order of the grid. */
export function axesOf(outcome: ExperimentOutcome<object, string>): string[] {
  return Object.keys(outcome.settings[0] ?? {});
}

/** What tables of settings have in common: heads, and a row a setting. */
export function settingRows(outcome: ExperimentOutcome<object, string>): {
  readonly heads: readonly string[];
  readonly rows: readonly (readonly TableCell[])[];
} {
  const axes = axesOf(outcome);
  const { metrics, summaries } = outcome;
  return {
    heads: [...axes, 'cells', 'failed', ...metrics.map(({ name }) => name)],
    rows: summaries.map(({ setting, cells, failed, means }) => [
      ...axes.map((axis) => String((setting as AnySetting)[axis])),
      `${cells}`,
      `${failed}`,
      ...metrics.map(({ name }) => means[name]),
    ]),
  };
}

/**
 * A table of settings with the mean of each metric and its 95% interval: `text` (default) for terminals, `markdown`, or
 * `csv`, which has the numbers in full, with columns of their own for the ends of intervals (`NAME low`, `NAME high`).
 */
export function experimentTable(
  outcome: ExperimentOutcome<object, string>,
  format: 'text' | 'markdown' | 'csv' = 'text',
): string {
  const { heads, rows } = settingRows(outcome);
  if (format !== 'csv') return formatTable({ columns: heads, rows, format });
  const axes = axesOf(outcome);
  const { metrics, summaries } = outcome;
  return csvText([
    [
      ...axes,
      'cells',
      'failed',
      ...metrics.flatMap(({ name }) => [name, `${name} low`, `${name} high`]),
    ],
    ...summaries.map(({ setting, cells, failed, means }) => [
      ...axes.map((axis) => (setting as AnySetting)[axis]),
      cells,
      failed,
      ...metrics.flatMap(({ name }) => numbersOf(means[name])),
    ]),
  ]);
}

/** All cells as CSV, one a row: axes, item, seed, metrics, and the problem of those that failed. */
export function cellsTable(outcome: ExperimentOutcome<object, string>): string {
  const axes = axesOf(outcome);
  const names = outcome.metrics.map(({ name }) => name);
  const settingOf = (setting: object) => axes.map((axis) => (setting as AnySetting)[axis]);
  return csvText([
    [...axes, 'item', 'seed', ...names, 'problem'],
    ...outcome.cells.map(({ setting, item, seed, metrics }) => [
      ...settingOf(setting),
      item,
      seed,
      ...names.map((name) => metrics[name]),
      undefined,
    ]),
    ...outcome.failed.map(({ setting, item, seed, problem }) => [
      ...settingOf(setting),
      item,
      seed,
      ...names.map(() => undefined),
      problem,
    ]),
  ]);
}

function numbersOf(interval: Interval | undefined): (number | undefined)[] {
  return [interval?.value, interval?.low, interval?.high];
}

/** RFC 4180, with LF. */
function csvText(rows: readonly (readonly CsvValue[])[]): string {
  return rows.map((row) => `${row.map(csvField).join(',')}\n`).join('');
}

type CsvValue = string | number | boolean | undefined;

function csvField(value: CsvValue): string {
  const text = value === undefined ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
