import {
  bootstrapMean,
  type BootstrapOptions,
  type Cell,
  formatTable,
  holm,
  type Interval,
  pairedTest,
} from '../../lib/evaluate/index.js';
import { type BenchOutcome, round } from '../harness.js';
import { type Claim, type ClaimResult, Results } from './claim.js';

/** How one test of a claim came out. */
export interface Finding {
  /** Claim and test. */
  readonly name: string;
  readonly measures: string;
  readonly cases: number;
  /** Mean over cases; above zero is what the paper says. */
  readonly value: Interval;
  /** Two-sided sign-flip test against zero. */
  readonly p: number;
  /** The same, adjusted for all tests of the run (Holm). */
  readonly adjusted: number;
  readonly verdict: 'holds' | 'the contrary' | 'not told from chance';
  readonly figures: Readonly<Record<string, number>>;
}

/** Tests for which no case has what they need give nothing. */
export function findingsOf(
  claims: readonly Claim[],
  cells: readonly Cell<ClaimResult>[],
  options?: BootstrapOptions,
): Finding[] {
  const results = new Results(cells);
  const found = claims.flatMap((claim) =>
    claim.tests.flatMap(({ name, measures, values, figures }) => {
      const list = [...values(results).values()];
      if (list.length === 0) return [];
      const { p } = pairedTest(list, new Float64Array(list.length));
      const value = bootstrapMean(list, options);
      const all = { name: `${claim.name}.${name}`, measures, cases: list.length, value, p };
      return [{ ...all, figures: figures?.(results) ?? {} }];
    }),
  );
  const adjusted = holm(found.map(({ p }) => p));
  return found.map((finding, i) => {
    const p = adjusted[i] as number;
    const { low, high } = finding.value;
    const isClear = p < 0.05 && (low > 0 || high < 0);
    const verdict = !isClear ? 'not told from chance' : low > 0 ? 'holds' : 'the contrary';
    return { ...finding, adjusted: p, verdict };
  });
}

export function addFindings(
  findings: readonly Finding[],
  { figures, goals }: Pick<BenchOutcome, 'figures' | 'goals'>,
): void {
  for (const { name, cases, value, p, adjusted, verdict, figures: more } of findings) {
    const own = { cases, low: value.low, high: value.high, p, adjusted, ...more };
    for (const [key, number] of Object.entries(own)) figures[`${name}.${key}`] = round(number);
    goals[`${name}.holds`] = {
      value: round(value.value),
      goal: 'above 0, clear after Holm',
      met: verdict === 'holds',
    };
  }
}

export function printFindings(
  findings: readonly Finding[],
  format: 'text' | 'markdown' = 'text',
): string {
  const columns = [
    { name: 'claim', align: 'left' },
    { name: 'value', align: 'left' },
    { name: 'prompts', digits: 0 },
    { name: 'mean', digits: 4 },
    { name: 'p', digits: 4 },
    { name: 'Holm', digits: 4 },
    { name: 'verdict', align: 'left' },
    { name: 'beside it', align: 'left' },
  ] as const;
  const rows = findings.map(({ name, measures, cases, value, p, adjusted, verdict, figures }) => [
    name,
    measures,
    cases,
    value,
    p,
    adjusted,
    verdict,
    Object.entries(figures)
      .map(([key, number]) => `${key} ${round(number)}`)
      .join(', '),
  ]);
  const about = `Means with 95% intervals; above zero is what the paper says. ${power(findings)}`;
  return `${about}\n\n${formatTable({ columns, rows, format })}`;
}

/** What so few prompts cannot show, whatever the values are. */
function power(findings: readonly Finding[]): string {
  const fewest = Math.min(...findings.map(({ cases }) => cases));
  const least = Math.min(1, findings.length * 2 ** (1 - fewest));
  if (findings.length === 0 || least < 0.05) return '';
  return `With ${fewest} prompts the smallest p is ${round(2 ** (1 - fewest))}, after Holm over ${findings.length} tests up to ${round(least)}: too few to tell every claim from chance, however clear it is.`;
}
