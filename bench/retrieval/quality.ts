import { loadRuntime } from '../../adapters/ggml/native/runtime.js';
import { createTokenizer } from '../../adapters/ggml/tokenizer.js';
import { resolveModel } from '../../adapters/models/index.js';
import { mean, type EvaluationQuestion } from '../../lib/evaluate/index.js';
import {
  type Chunk,
  chunkDocument,
  type Embedder,
  InvalidArgumentError,
  recursiveChunker,
  type Tokenizer,
} from '../../lib/index.js';
import { readCases } from '../fidelity/data.js';
import { type BenchOptions, type BenchOutcome, round } from '../harness.js';
import { armsOf } from './arms.js';
import { evaluateArm, type JudgedCase } from './evaluate.js';
import { judgeOf } from './judge.js';
import type { MeasureOptions } from './measures.js';
import { differenceOf, differencesTable, meansTable, valuesOf } from './tables.js';

export interface QualitySettings extends MeasureOptions {
  readonly data: readonly string[];
  readonly embedder: Embedder | undefined;
  readonly chunkTokens: number;
  readonly half: 'held-out' | 'all';
  readonly limit: number;
  readonly format: 'text' | 'markdown';
}

/** How well retrievers find what questions ask for: one table a data set, the same numbers as figures. */
export async function quality(
  { model, log }: Pick<BenchOptions, 'log'> & { readonly model: string },
  settings: QualitySettings,
  outcome: BenchOutcome,
): Promise<void> {
  const { path } = await resolveModel(model);
  await using tokenizer = await createTokenizer(loadRuntime('base'), path);
  for (const data of settings.data) {
    await qualityOf(data, tokenizer, settings, outcome, log);
  }
}

async function qualityOf(
  data: string,
  tokenizer: Tokenizer,
  settings: QualitySettings,
  { figures, skipped }: BenchOutcome,
  log: (line: string) => void,
): Promise<void> {
  const name = data.replace(/\/+$/, '').split('/').at(-1) ?? data;
  const cases = (await readCases(data)).slice(0, settings.limit);
  const chunks = await chunksOf(cases, tokenizer, settings.chunkTokens);
  const judged: JudgedCase[] = cases.flatMap((item) => {
    const judge = judgeOf(item, chunks);
    return judge ? [{ item, judge }] : [];
  });
  if (judged.length < cases.length) {
    skipped.push(
      `${name}: ${cases.length - judged.length} of ${cases.length} questions, which no passage answers`,
    );
  }
  const arms = await armsOf(chunks, settings.embedder, (what, ms) => {
    figures[`${name}: indexing ms, ${what}`] = round(ms);
  });
  const outcomes = [];
  for (const arm of arms) outcomes.push(await evaluateArm(arm, judged, settings.half, settings));
  const questions = outcomes[0]?.measures.length ?? 0;
  if (questions === 0) throw new InvalidArgumentError(`${data} has no questions to report on.`);
  figures[`${name}: passages`] = chunks.length;
  figures[`${name}: questions`] = questions;
  const [first] = outcomes;
  for (const one of outcomes) {
    for (const measure of Object.keys(one.measures[0] ?? {})) {
      figures[`${name}: ${measure}, ${one.name}`] = round(mean(valuesOf(one, measure)));
    }
    if (!first || one === first) continue;
    const { low, high } = differenceOf(one, first, 'nDCG@10');
    figures[`${name}: nDCG@10 less bm25, low, ${one.name}`] = round(low);
    figures[`${name}: nDCG@10 less bm25, high, ${one.name}`] = round(high);
  }
  const { format, budgets, half } = settings;
  log(`\n${name}: ${questions} questions (${half}), ${chunks.length} passages\n`);
  log(meansTable(outcomes, format));
  const compared = ['MRR', 'nDCG@10', ...budgets.map((budget) => `recall in ${budget}`)];
  log(differencesTable(outcomes, compared, format));
}

/** Passages of all documents, each once: every question is asked of the same index. */
async function chunksOf(
  cases: readonly EvaluationQuestion[],
  tokenizer: Tokenizer,
  maxTokens: number,
): Promise<Chunk[]> {
  const documents = new Map(
    cases.flatMap((item) => item.documents.map((one) => [one.id, one] as const)),
  );
  const chunker = recursiveChunker({ maxTokens });
  const chunks: Chunk[] = [];
  for (const document of documents.values()) {
    chunks.push(...(await chunkDocument(document, { tokenizer, chunker })));
  }
  return chunks;
}
