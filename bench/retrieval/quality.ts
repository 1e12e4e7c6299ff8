import { join } from 'node:path';
import { loadEngine } from '../../adapters/ggml/index.js';
import { loadRuntime } from '../../adapters/ggml/native/runtime.js';
import { createTokenizer } from '../../adapters/ggml/tokenizer.js';
import { resolveModel } from '../../adapters/models/index.js';
import { mean, type EvaluationQuestion } from '../../lib/evaluate/index.js';
import {
  type AskedField,
  type Chunk,
  chunkDocument,
  type Embedder,
  enrichChunks,
  engineLanguageModel,
  InvalidArgumentError,
  type KvEngine,
  recursiveChunker,
  type Retriever,
  type Tokenizer,
} from '../../lib/index.js';
import { readCases } from '../fidelity/data.js';
import { type BenchOptions, type BenchOutcome, round } from '../harness.js';
import { type Arm, armsOf, type BaseRetrievers } from './arms.js';
import { enrichedArms } from './enriched.js';
import { type ArmOutcome, evaluateArm, type JudgedCase } from './evaluate.js';
import { judgeOf } from './judge.js';
import { keptEnrichments } from './kept-enrichments.js';
import type { MeasureOptions } from './measures.js';
import { rememberVectors } from './remember.js';
import { rerankedArms } from './reranked.js';
import { openRerankers, type RerankerKind } from './rerankers.js';
import { subsetOf } from './subset.js';
import {
  basesOf,
  differenceOf,
  differencesTable,
  gainsTable,
  meansTable,
  valuesOf,
} from './tables.js';

export interface QualitySettings extends MeasureOptions {
  readonly data: readonly string[];
  readonly embedder: Embedder | undefined;
  readonly chunkTokens: number;
  readonly half: 'held-out' | 'all';
  /** Leaves out passages that are embedded with their neighbours. */
  readonly plain: boolean;
  readonly limit: number;
  /** Most passages of a corpus, see {@link subsetOf}. */
  readonly passages: number;
  /** What a language model is to say of passages; none: it is not asked. */
  readonly enrich: readonly AskedField[];
  readonly rerank: readonly RerankerKind[];
  /** Hits that are reranked. */
  readonly pool: number;
  /** Where what takes long is kept between runs. */
  readonly cache: string;
  readonly format: 'text' | 'markdown';
}

/** How well retrievers find what questions ask for: one table a data set, the same numbers as figures. */
export async function quality(
  {
    model,
    log,
    device,
    threads,
  }: Pick<BenchOptions, 'log' | 'device' | 'threads'> & { readonly model: string },
  settings: QualitySettings,
  outcome: BenchOutcome,
): Promise<void> {
  const { path } = await resolveModel(model);
  await using engine =
    settings.enrich.length > 0 || settings.rerank.length > 0
      ? await loadEngine({ model: path, device, ...(threads !== undefined && { threads }) })
      : undefined;
  await using tokenizer = await createTokenizer(loadRuntime('base'), path);
  for (const data of settings.data) {
    await qualityOf(data, { tokenizer, engine }, settings, outcome, log);
  }
}

interface Models {
  readonly tokenizer: Tokenizer;
  /** Where arms need a language model. */
  readonly engine: KvEngine | undefined;
}

async function qualityOf(
  data: string,
  { tokenizer, engine }: Models,
  settings: QualitySettings,
  outcome: BenchOutcome,
  log: (line: string) => void,
): Promise<void> {
  const { figures, skipped } = outcome;
  const name = data.replace(/\/+$/, '').split('/').at(-1) ?? data;
  const cases = (await readCases(data)).slice(0, settings.limit);
  const all = await chunksOf(cases, tokenizer, settings.chunkTokens);
  const judged: JudgedCase[] = cases.flatMap((item) => {
    const judge = judgeOf(item, all);
    return judge ? [{ item, judge }] : [];
  });
  if (judged.length < cases.length) {
    skipped.push(
      `${name}: ${cases.length - judged.length} of ${cases.length} questions, which no passage answers`,
    );
  }
  const chunks =
    settings.passages < all.length
      ? subsetOf(
          all,
          judged.map(({ judge }) => judge),
          { most: settings.passages, seed: 1 },
        )
      : all;
  const embedder = settings.embedder && rememberVectors(settings.embedder);
  const { arms, bases } = await armsOf(chunks, {
    embedder,
    situated: !settings.plain,
    took: (what, ms) => {
      figures[`${name}: indexing ms, ${what}`] = round(ms);
    },
  });
  const outcomes: ArmOutcome[] = [];
  const evaluate = async (more: readonly Arm[]): Promise<void> => {
    for (const arm of more) {
      const start = performance.now();
      outcomes.push(await evaluateArm(arm, judged, settings.half, settings));
      log(`${name}: ${arm.name}, ${round((performance.now() - start) / 1000)} s`);
    }
  };
  await evaluate(arms);
  if (engine && settings.enrich.length > 0) {
    const found = await enriched(chunks, engine, settings, log);
    Object.assign(figures, prefixed(`${name}: enriching`, found.figures));
    const { dense } = bases;
    await evaluate(
      await enrichedArms({ chunks: found.chunks, fields: settings.enrich, embedder, dense }),
    );
  }
  if (engine && settings.rerank.length > 0) {
    await using open = await openRerankers(engine, settings.rerank, join(settings.cache, 'kv'));
    const { rerankers } = open;
    await evaluate(rerankedArms({ bases: definedOf(bases), rerankers, pool: settings.pool }));
  }
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
  for (const [one, base] of basesOf(outcomes)) {
    for (const measure of ['MRR', 'nDCG@10']) {
      const { value, low, high } = differenceOf(one, base, measure);
      Object.assign(
        figures,
        prefixed(`${name}: ${measure} less ${base.name}, ${one.name}`, {
          mean: round(value),
          low: round(low),
          high: round(high),
        }),
      );
    }
  }
  const { format, budgets, half } = settings;
  log(`\n${name}: ${questions} questions (${half}), ${chunks.length} passages\n`);
  log(meansTable(outcomes, format));
  const compared = ['MRR', 'nDCG@10', ...budgets.map((budget) => `recall in ${budget}`)];
  log(differencesTable(outcomes, compared, format));
  log(gainsTable(outcomes, compared, format));
}

async function enriched(
  chunks: readonly Chunk[],
  engine: KvEngine,
  { enrich: fields, cache }: QualitySettings,
  log: (line: string) => void,
): Promise<{ chunks: readonly Chunk[]; figures: Record<string, number> }> {
  const start = performance.now();
  const { chunks: made, report } = await enrichChunks(chunks, {
    model: engineLanguageModel(engine),
    modelFingerprint: engine.model.fingerprint,
    fields,
    cache: await keptEnrichments(join(cache, 'enrichments.jsonl')),
    concurrency: 1,
    attempts: 1,
    onProgress: ({ done, total }) => {
      if (done % 10 === 0) log(`enriched ${done} of ${total}`);
    },
  });
  const seconds = (performance.now() - start) / 1000;
  const { fromCache, promptTokens, generatedTokens, missing, failed } = report;
  const asked = Math.max(1, report.chunks - fromCache);
  return {
    chunks: made,
    figures: {
      passages: report.chunks,
      'from cache': fromCache,
      failed: failed.length,
      'seconds a passage': round(seconds / asked),
      'tokens read a passage': round(promptTokens / asked),
      'tokens written a passage': round(generatedTokens / asked),
      ...Object.fromEntries(fields.map((field) => [`without ${field}`, missing[field] ?? 0])),
    },
  };
}

function prefixed(prefix: string, figures: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [`${prefix}, ${name}`, value]),
  );
}

function definedOf(bases: BaseRetrievers): Record<string, Retriever> {
  return Object.fromEntries(
    Object.entries(bases).filter((entry): entry is [string, Retriever] => entry[1] !== undefined),
  );
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
