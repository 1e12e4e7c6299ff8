import { bootstrapMean, type Interval, tokenMeasure } from '../../lib/evaluate/index.js';
import type { Embedder, TokenizedDocument } from '../../lib/index.js';
import { type BenchOptions, type BenchOutcome, round } from '../harness.js';
import type { ScoredArm } from './confirm.js';
import type { ReferencedQuestion } from './data.js';
import { budgets, difference, omegaOf, scoresOf } from './quality.js';
import type { ReportRow } from './report-page.js';
import { retrieverKinds } from './retrievers.js';
import type { Tuned } from './tune.js';

/** Others are held against it. */
export const baseline = 'recursive';

interface QualityOf {
  readonly size: number;
  readonly tuned: ReadonlyMap<string, Tuned>;
  readonly questions: readonly ReferencedQuestion[];
  readonly searched: readonly string[];
  readonly embedder: Embedder | undefined;
  readonly documents: readonly TokenizedDocument[];
}

/** What each chunker lets each retriever find, and how far that is from what the baseline does. */
export async function quality(
  { size, tuned, questions, searched, embedder, documents }: QualityOf,
  options: BenchOptions,
  { figures, skipped }: BenchOutcome,
): Promise<{ rows: ReportRow[]; arms: ScoredArm[] }> {
  const rows: ReportRow[] = [];
  const arms: ScoredArm[] = [];
  if (questions.length === 0) {
    skipped.push('quality: no --questions');
    return { rows, arms };
  }
  const note = (name: string, { value, low, high }: Interval) => {
    figures[name] = round(value);
    figures[`${name}.low`] = round(low);
    figures[`${name}.high`] = round(high);
  };
  const tokens = tokenMeasure(documents);
  const omegas = new Map<string, number>();
  for (const [name, { chunks }] of tuned) {
    const omega = omegaOf(chunks, questions);
    omegas.set(name, omega);
    figures[`${name}.${size}.precisionOmega`] = round(omega);
    figures[`${name}.${size}.precisionOmega.tokens`] = round(omegaOf(chunks, questions, tokens));
  }
  for (const [retriever, make] of retrieverKinds(embedder)) {
    if (!searched.includes(retriever)) continue;
    const found: ScoredArm[] = [];
    for (const [name, { chunks }] of tuned) {
      const scores = await scoresOf(chunks, questions, make(), tokens);
      found.push({ name, retriever, size, scores });
    }
    arms.push(...found);
    const base = found.find(({ name }) => name === baseline)?.scores;
    for (const { name, scores: own } of found) {
      const { meanTokens, spent } = tuned.get(name) as Tuned;
      const at = `${name}.${size}.${retriever}`;
      const omega = omegas.get(name) as number;
      const recalls = budgets.map((budget) => bootstrapMean(own.recall[budget]));
      const plain = retriever === 'dense-late' && armOf(arms, name, 'dense');
      for (const budget of plain ? budgets : []) {
        const gap = difference(own.recall[budget], (plain as ScoredArm).scores.recall[budget]);
        note(`${at}.recall${budget}.over-dense`, gap);
        options.log(`${at}.recall${budget} over dense:${gapOf(gap)}`);
      }
      const apart = budgets.map((budget) =>
        base && name !== baseline ? difference(own.recall[budget], base.recall[budget]) : undefined,
      );
      for (const [i, budget] of budgets.entries()) {
        note(`${at}.recall${budget}`, recalls[i] as Interval);
        const gap = apart[i];
        if (gap) note(`${at}.recall${budget}.over-${baseline}`, gap);
      }
      for (const [by, few] of [
        ['', own.ofFew],
        ['.tokens', own.ofFewByTokens],
      ] as const) {
        note(`${at}.recall5${by}`, bootstrapMean(few.recall));
        note(`${at}.precision5${by}`, bootstrapMean(few.precision));
        note(`${at}.iou5${by}`, bootstrapMean(few.iou));
      }
      rows.push({ name, retriever, size, meanTokens, omega, recalls, apart, spent });
      options.log(
        `${at}: ${budgets.map((b, i) => `${b}: ${percent(recalls[i])}${gapOf(apart[i])}`).join(', ')}`,
      );
    }
  }
  return { rows, arms };
}

const armOf = (arms: readonly ScoredArm[], name: string, retriever: string) =>
  arms.find((arm) => arm.name === name && arm.retriever === retriever);

const percent = (interval: Interval | undefined) =>
  interval ? `${(100 * interval.value).toFixed(1)}%` : '-';

const gapOf = (gap: Interval | undefined) =>
  gap
    ? ` (${(100 * gap.value).toFixed(1)} [${(100 * gap.low).toFixed(1)}, ${(100 * gap.high).toFixed(1)}])`
    : '';
