import { InvalidArgumentError } from '../../errors.js';
import type { Interval } from '../statistics/bootstrap.js';

/** A text, a number, a number with its interval, or nothing: there is no such value. */
export type TableCell = string | number | Interval | undefined;

export interface TableColumn {
  readonly name: string;
  /** Default: right where the column holds numbers only, else left. */
  readonly align?: 'left' | 'right';
  /** Digits behind the point; default 3. */
  readonly digits?: number;
  /** Numbers are shares and shown times 100; default false. */
  readonly percent?: boolean;
}

export interface TableOptions {
  readonly columns: readonly (string | TableColumn)[];
  /** One cell a column. */
  readonly rows: readonly (readonly TableCell[])[];
  /** `text` (default) for terminals; `markdown` a table of GitHub's dialect. */
  readonly format?: 'text' | 'markdown';
}

/** Stands where there is no value. */
const nothing = '-';

/**
 * A table with aligned columns, its lines ended by line breaks.
 * @throws InvalidArgumentError when a row has not one cell for each column
 */
export function formatTable({ columns, rows, format = 'text' }: TableOptions): string {
  const heads = columns.map((column) => (typeof column === 'string' ? { name: column } : column));
  const clean = format === 'markdown' ? escapeMarkdown : oneLine;
  const texts = rows.map((row, i) => {
    if (row.length !== heads.length) {
      throw new InvalidArgumentError(
        `formatTable: row ${i} has ${row.length} cells for ${heads.length} columns.`,
      );
    }
    return row.map((cell, j) =>
      typeof cell === 'string' ? clean(cell) : formatNumber(cell, heads[j]),
    );
  });
  const names = heads.map(({ name }) => clean(name));
  const alignments = heads.map(
    ({ align }, j) => align ?? (rows.some((row) => typeof row[j] === 'string') ? 'left' : 'right'),
  );
  // A rule of Markdown has three characters at least.
  const widths = names.map((name, j) =>
    Math.max(3, lengthOf(name), ...texts.map((row) => lengthOf(row[j] as string))),
  );
  const padded = (row: readonly string[]) =>
    row.map((text, j) => pad(text, widths[j] as number, alignments[j] as 'left' | 'right'));
  const lines = [names, ...texts].map(padded);
  if (format === 'markdown') {
    const rule = widths.map((width, j) =>
      alignments[j] === 'right' ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
    );
    lines.splice(1, 0, rule);
    return lines.map((line) => `| ${line.join(' | ')} |\n`).join('');
  }
  lines.splice(
    1,
    0,
    widths.map((width) => '-'.repeat(width)),
  );
  return lines.map((line) => `${line.join('  ').trimEnd()}\n`).join('');
}

/** `0.123`, `0.123 [0.101, 0.150]`, or `-` where there is no number. */
export function formatNumber(
  value: number | Interval | undefined,
  { digits = 3, percent = false }: Pick<TableColumn, 'digits' | 'percent'> = {},
): string {
  const text = (number: number) => {
    const fixed = (percent ? number * 100 : number).toFixed(digits);
    // -0.000 is zero.
    return Number(fixed) === 0 ? fixed.replace('-', '') : fixed;
  };
  if (typeof value === 'number') return Number.isFinite(value) ? text(value) : nothing;
  if (value === undefined || !Number.isFinite(value.value)) return nothing;
  const { low, high } = value;
  if (!Number.isFinite(low) || !Number.isFinite(high)) return text(value.value);
  return `${text(value.value)} [${text(low)}, ${text(high)}]`;
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(width - lengthOf(text));
  return align === 'right' ? space + text : text + space;
}

/** Code points: close enough to columns of a terminal for what stands in results. */
function lengthOf(text: string): number {
  return [...text].length;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/gu, ' ').trim();
}

function escapeMarkdown(text: string): string {
  return oneLine(text).replaceAll(/[\\|<*_`]/gu, String.raw`\$&`);
}
