import {
  chunkView,
  type Interval,
  signalView,
  type TextSignal,
  viewPage,
} from '../../lib/evaluate/index.js';
import type { Document } from '../../lib/index.js';
import type { BenchOutcome } from '../harness.js';
import type { Confirmation } from './confirm.js';
import { budgets } from './quality.js';
import type { Spent } from './spent.js';
import type { Tuned } from './tune.js';

/** One line of the table of results. */
export interface ReportRow {
  readonly name: string;
  readonly retriever: string;
  readonly size: number;
  readonly meanTokens: number;
  readonly omega: number;
  /** One for each budget. */
  readonly recalls: readonly Interval[];
  /** Over the baseline; absent for itself. */
  readonly apart: readonly (Interval | undefined)[];
  readonly spent: Spent;
}

/** UTF-16 units of each document that are shown. */
const shown = 12_000;

export interface ReportParts {
  readonly documents: readonly Document[];
  readonly cuts: readonly Tuned[];
  readonly rows: readonly ReportRow[];
  readonly confirmed: readonly Confirmation[];
  /** What chunkers go by, along each text. */
  readonly signals: ReadonlyMap<string, readonly TextSignal[]>;
}

/** Documents of which the text is shown. */
const shownDocuments = 12;

/** A static page: the tables, then each text as every chunker cuts it, side by side, what they go by plotted below. */
export function reportPage(
  { documents, cuts, rows, confirmed, signals }: ReportParts,
  { goals, skipped }: BenchOutcome,
): string {
  const parts: string[] = [];
  if (rows.length > 0) parts.push(table(rows));
  if (confirmed.length > 0) parts.push(confirmations(confirmed));
  const judged = Object.entries(goals).map(
    ([name, { met, value, goal }]) =>
      `<li>${met ? 'met' : 'missed'}: ${escape(name)} ${value} (${escape(goal)})</li>`,
  );
  const left = skipped.map((what) => `<li>left out: ${escape(what)}</li>`);
  if (judged.length + left.length > 0) parts.push(`<ul>${[...judged, ...left].join('')}</ul>`);
  for (const { id, text } of documents.slice(0, shownDocuments)) {
    const part = text.slice(0, shown);
    const columns = cuts.map(({ chunker, chunks }) => ({
      name: chunker.name,
      chunks: chunks.filter(({ documentId, end }) => documentId === id && end <= part.length),
    }));
    const rest = text.length > shown ? `, the first ${shown} of ${text.length} characters` : '';
    parts.push(`<h2>${escape(id)}${rest}</h2>`, chunkView(part, columns));
    parts.push(signalView(part.length, signals.get(id) ?? [], columns));
  }
  if (documents.length > shownDocuments) {
    parts.push(`<p>${documents.length - shownDocuments} more texts are not shown.</p>`);
  }
  return viewPage('Chunkers at equal size', parts.join('\n'));
}

const percent = (value: number) => (100 * value).toFixed(1);

const interval = (cell: Interval | undefined) =>
  cell ? `${percent(cell.value)} [${percent(cell.low)}, ${percent(cell.high)}]` : '';

function table(rows: readonly ReportRow[]): string {
  const heads = [
    'chunker',
    'retriever',
    'mean tokens',
    'PrecisionOmega',
    ...budgets.map((budget) => `recall in ${budget} tokens`),
    ...budgets.map((budget) => `over recursive in ${budget}`),
    'model calls',
    'tokens read',
    'tokens generated',
  ];
  const lines = rows.map(({ name, retriever, meanTokens, omega, recalls, apart, spent }) =>
    [
      name,
      retriever,
      meanTokens.toFixed(0),
      percent(omega),
      ...recalls.map(interval),
      ...apart.map(interval),
      ...[spent.calls, spent.read, spent.generated].map(String),
    ].map((cell) => `<td>${escape(cell)}</td>`),
  );
  return (
    `<table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead>` +
    `<tbody>${lines.map((cells) => `<tr>${cells.join('')}</tr>`).join('\n')}</tbody></table>` +
    '<p>Percent; 95% intervals of a paired bootstrap over questions.</p>'
  );
}

function confirmations(confirmed: readonly Confirmation[]): string {
  const heads = [
    'retriever',
    'mean tokens',
    'chosen',
    ...budgets.map((budget) => `search half, over recursive in ${budget}`),
    ...budgets.map((budget) => `held out, over recursive in ${budget}`),
  ];
  const lines = confirmed.map(({ retriever, size, chosen, search, heldOut }) =>
    [retriever, `${size}`, chosen, ...search.map(interval), ...heldOut.map(interval)]
      .map((cell) => `<td>${escape(cell)}</td>`)
      .join(''),
  );
  return (
    '<h2>Chosen on one half of the questions, held against the other</h2>' +
    `<table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead>` +
    `<tbody>${lines.map((line) => `<tr>${line}</tr>`).join('\n')}</tbody></table>`
  );
}

const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
