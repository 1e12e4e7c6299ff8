import { formatNumber, formatTable, type TableColumn } from '../../../lib/evaluate/index.js';
import type { FidelityReport } from './fidelity-report.js';
import { type AreaTest, type Cost, costRange } from './area-tests.js';
import type { SortReadable } from './sort.js';
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
  { name: 'F1' },
  { name: 'EM' },
  { name: 'F1 to full' },
  { name: 'edit to full' },
  { name: 'equal to full' },
];

const sortColumn: TableColumn = { name: 'SORT %', digits: 1, percent: true };

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

const costNames: Readonly<Record<Cost, string>> = {
  share: "of the passages' layer-tokens, probes included",
  time: "of a full prefill's time",
};

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
  const { columns, rows } = answerTable(report);
  add(answerTitle(report), columns, rows);
  // Where there is a table, its title says so.
  if (report.sort && rows.length === 0) parts.push(`${sortLine(report.sort)}\n`);
  const { from, to } = costRange;
  for (const cost of ['share', 'time'] as const) {
    const tests = report.tests.filter((test) => test.cost === cost);
    add(
      `${tests[0]?.policy ?? ''} against others under the same warm-up: mean KL between ${from * 100}% and ${to * 100}% ${costNames[cost]}. Below zero it is better.`,
      testColumns,
      tests.map(testRow),
    );
  }
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

/** Columns of what was asked for; SORT only where the full prefill itself can tell the order. */
function answerTable({ all, sort }: FidelityReport): {
  readonly columns: readonly TableColumn[];
  readonly rows: Rows;
} {
  const hasAnswers = all.some(({ answers }) => answers);
  const hasSort = sort?.isAboveChance === true;
  const columns = [
    ...armColumns,
    ...(hasAnswers ? answerColumns : []),
    ...(hasSort ? [sortColumn] : []),
  ];
  const rows = all.flatMap((summary): Rows => {
    const { arm, answers } = summary;
    if (!answers && !(hasSort && summary.sort)) return [];
    return [
      [
        arm.policy === 'floor' ? '' : arm.warmup,
        arm.policy,
        `${arm.ratio}`,
        ...(hasAnswers
          ? [answers?.f1, answers?.em, answers?.sameF1, answers?.sameEdit, answers?.sameExact]
          : []),
        ...(hasSort ? [summary.sort] : []),
      ],
    ];
  });
  return { columns, rows };
}

function answerTitle({ all, sort }: FidelityReport): string {
  const full = all.find(({ answers }) => answers)?.answers?.fullF1;
  return [
    full && `What the model writes; after a full prefill its F1 is ${formatNumber(full)}.`,
    sort && sortLine(sort),
  ]
    .filter(Boolean)
    .join(' ');
}

function sortLine({ right, pairs, p, isAboveChance }: SortReadable): string {
  const share = `${formatNumber((100 * right) / pairs, { digits: 1 })}%`;
  return `SORT, which of two passages came first: the full prefill is right in ${right} of ${pairs} pairs (${share}, p ${formatNumber(p, { digits: 4 })}), ${
    isAboveChance ? 'above chance.' : 'which is at chance: nothing is said about reuse.'
  }`;
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
