import { escapeHtml, viewPage } from '../report/html.js';
import { type PlotSeries, svgPlot } from '../report/svg-plot.js';
import { formatNumber } from '../report/table.js';
import type { AnySetting } from './grid.js';
import { settingLabel } from './grid.js';
import type { ExperimentOutcome, SettingSummary } from './outcome.js';
import { axesOf, settingRows } from './tables.js';

type Outcome = ExperimentOutcome<object, string>;

/** Lines of a plot that can be told apart. */
const maxSeries = 14;
/** Failures that are listed one by one. */
const maxFailures = 50;

/**
 * An outcome as one HTML page: the settings with their means, a plot a metric, every setting against the first, and what
 * failed. Needs no server and loads nothing.
 */
export function experimentPage(outcome: Outcome): string {
  const { heads, rows } = settingRows(outcome);
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === 'string' ? cell : formatNumber(cell))),
  );
  const parts = [
    htmlTable(heads, cells),
    '<p>Means over items, each averaged over its seeds, with the 95% interval of a bootstrap over items.</p>',
    ...plots(outcome),
    ...comparisons(outcome),
    ...failures(outcome),
  ];
  return viewPage(outcome.name, parts.join('\n'));
}

function htmlTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const body = rows.map((cells) => htmlRow(cells, 'td')).join('\n');
  return `<table>\n<thead>${htmlRow(heads, 'th')}</thead>\n<tbody>\n${body}\n</tbody>\n</table>`;
}

function htmlRow(cells: readonly string[], tag: 'th' | 'td'): string {
  return `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
}

/** A metric over the numeric axis with most values; where there is none, over the settings' places in the table. */
function plots(outcome: Outcome): string[] {
  const axis = axesOf(outcome)
    .map((name) => ({
      name,
      values: new Set(outcome.settings.map((one) => (one as AnySetting)[name])),
    }))
    .filter(
      ({ values }) => values.size > 1 && [...values].every((value) => typeof value === 'number'),
    )
    .sort((a, b) => b.values.size - a.values.size)[0]?.name;
  return outcome.metrics.flatMap(({ name, better }) => {
    const all = axis === undefined ? byPlace(outcome, name) : byAxis(outcome, name, axis);
    const series = all.slice(0, maxSeries);
    if (series.length === 0) return [];
    const more = all.length - series.length;
    return [
      `<h2>${escapeHtml(name)} (${better} is better)</h2>`,
      svgPlot({
        x: { label: axis ?? 'setting, by its row in the table' },
        y: { label: name },
        series,
      }),
      ...(more > 0 ? [`<p>The first ${maxSeries} of ${all.length} lines.</p>`] : []),
    ];
  });
}

function byAxis({ summaries }: Outcome, metric: string, axis: string): PlotSeries[] {
  const lines = new Map<string, { x: number; summary: SettingSummary<object, string> }[]>();
  for (const summary of summaries) {
    const { [axis]: x, ...others } = summary.setting as AnySetting;
    const label = settingLabel(others) || metric;
    const list = lines.get(label) ?? [];
    list.push({ x: Number(x), summary });
    lines.set(label, list);
  }
  return Array.from(lines, ([name, list]) => ({
    name,
    points: list.sort((a, b) => a.x - b.x).flatMap(({ x, summary }) => pointOf(x, summary, metric)),
  })).filter(({ points }) => points.length > 0);
}

function byPlace({ summaries }: Outcome, metric: string): PlotSeries[] {
  return summaries
    .map((summary, i) => ({
      name: summary.label,
      points: pointOf(i + 1, summary, metric),
      line: false,
    }))
    .filter(({ points }) => points.length > 0);
}

function pointOf(x: number, { label, means }: SettingSummary<object, string>, metric: string) {
  const y = means[metric];
  return y ? [{ x, y, label }] : [];
}

function comparisons(outcome: Outcome): string[] {
  const [first] = outcome.summaries;
  if (!first || outcome.summaries.length < 2) return [];
  const rows = outcome.metrics.flatMap(({ name }) =>
    outcome
      .compare(name)
      .map(({ setting, items, difference, p, verdict }) => [
        outcome.summary(setting).label,
        name,
        `${items}`,
        formatNumber(difference),
        formatNumber(p),
        verdict === 'open' ? '' : verdict,
      ]),
  );
  if (rows.length === 0) return [];
  return [
    `<h2>Against ${escapeHtml(first.label)}</h2>`,
    htmlTable(['setting', 'metric', 'items', 'difference', 'p', ''], rows),
    '<p>Item by item; p of a sign-flip test, adjusted (Holm) for the settings that are compared.</p>',
  ];
}

function failures({ failed }: Outcome): string[] {
  if (failed.length === 0) return [];
  const rows = failed
    .slice(0, maxFailures)
    .map(({ setting, item, seed, problem }) => [
      settingLabel(setting as AnySetting),
      item,
      `${seed}`,
      problem,
    ]);
  const more = failed.length - rows.length;
  return [
    `<h2>${failed.length} failed</h2>`,
    htmlTable(['setting', 'item', 'seed', 'problem'], rows),
    ...(more > 0 ? [`<p>And ${more} more.</p>`] : []),
  ];
}
