import { formatNumber, formatTable, type TableColumn } from '../../../lib/evaluate/index.js';
import type { FidelityReport } from '../report.js';
import { type AreaTest, timeRange } from './area-tests.js';
import type { ArmSummary } from './summary.js';

export interface PrintOptions {
  /** Default `text`. */
  readonly format?: 'text' | 'markdown';
}

const armColumns: readonly TableColumn[] = [
  { name: 'warm-up', align: 'left' },
  { name: 'policy', align: 'left' },
  { name: 'ratio', align: 'right' },
];

const fidelityColumns: readonly TableColumn[] = [
  ...armColumns,
  { name: 'cases', digits: 0 },
  { name: 'KL', digits: 4 },
  { name: 'median', digits: 4 },
  { name: 'p95', digits: 4 },
  { name: 'KL removed %', digits: 1, percent: true },
  { name: 'agreement' },
  { name: 'NLL gap closed %', digits: 1, percent: true },
  { name: 'recomputed %', digits: 1, percent: true },
  { name: 'time %', digits: 1, percent: true },
  { name: 'ms', digits: 0 },
  { name: 'ingest ms', digits: 0 },
];

const answerColumns: readonly TableColumn[] = [
  ...armColumns,
  { name: 'F1' },
  { name: 'EM' },
  { name: 'F1 to full' },
  { name: 'edit to full' },
  { name: 'equal to full' },
];

const testColumns: readonly TableColumn[] = [
  { name: 'warm-up', align: 'left' },
  { name: 'against', align: 'left' },
  { name: 'cases', digits: 0 },
  { name: 'area', digits: 4 },
  { name: 'its area', digits: 4 },
  { name: 'difference', digits: 4 },
  { name: 'p', digits: 4 },
  { name: 'Holm', digits: 4 },
  { name: 'verdict', align: 'left' },
];

/** Tables with a line above each that says what it shows. */
export function printReport(
  report: FidelityReport,
  { format = 'text' }: PrintOptions = {},
): string {
  const parts: string[] = [];
  const add = (title: string, columns: readonly TableColumn[], rows: Rows) => {
    if (rows.length > 0) parts.push(`${title}\n\n${formatTable({ columns, rows, format })}`);
  };
  const floor = floorLine(report);
  const about = `Distance to the full prefill of the same prompt, with 95% intervals. ${floor}`;
  add(about, fidelityColumns, report.all.map(fidelityRow));
  add(
    `Only prompts that hold a passage's predecessor. ${floorLine({ all: report.near ?? [] })}`,
    fidelityColumns,
    (report.near ?? []).map(fidelityRow),
  );
  add(
    `Only prompts that hold no passage's predecessor. ${floorLine({ all: report.apart ?? [] })}`,
    fidelityColumns,
    (report.apart ?? []).map(fidelityRow),
  );
  add(answerTitle(report), answerColumns, report.all.flatMap(answerRow));
  const { from, to } = timeRange;
  add(
    `${report.tests[0]?.policy ?? ''} against others under the same warm-up: mean KL between ${from * 100}% and ${to * 100}% of a full prefill's time. Below zero it is better.`,
    testColumns,
    report.tests.map(testRow),
  );
  return parts.join('\n');
}

type Rows = Parameters<typeof formatTable>[0]['rows'];

function fidelityRow(summary: ArmSummary): Rows[number] {
  const { arm, kl, klMedian, kl95, removed, agree, nllClosed } = summary;
  return [
    arm.policy === 'floor' ? '' : arm.warmup,
    arm.policy,
    `${arm.ratio}`,
    summary.cases,
    kl,
    klMedian,
    kl95,
    removed,
    agree,
    nllClosed,
    summary.share,
    summary.timeShare,
    summary.ttftMs,
    summary.encodeMs,
  ];
}

function answerRow({ arm, answers }: ArmSummary): Rows {
  if (!answers) return [];
  const { f1, em, sameF1, sameEdit, sameExact } = answers;
  const { warmup, policy, ratio } = arm;
  return [
    [policy === 'floor' ? '' : warmup, policy, `${ratio}`, f1, em, sameF1, sameEdit, sameExact],
  ];
}

function answerTitle({ all }: FidelityReport): string {
  const full = all.find(({ answers }) => answers)?.answers?.fullF1;
  return `What the model writes; after a full prefill its F1 is ${formatNumber(full)}.`;
}

function testRow(test: AreaTest): Rows[number] {
  const { warmup, other, cases, area, otherArea, difference, p, adjusted, verdict } = test;
  return [warmup, other, cases, area, otherArea, difference, p, adjusted, verdict];
}

/** What no repair can be told from. */
function floorLine({ all }: Pick<FidelityReport, 'all'>): string {
  const floor = all.find(({ arm }) => arm.policy === 'floor');
  if (!floor) return 'The numerical floor was not measured.';
  const { kl, agree } = floor;
  return `Numerical floor (the full prefill in other batches): KL ${formatNumber(kl, { digits: 4 })}, agreement ${formatNumber(agree)}.`;
}
