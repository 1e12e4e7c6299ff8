import { writeFile } from 'node:fs/promises';
import { loadEngine } from '../adapters/ggml/index.js';
import { resolveModel } from '../adapters/models/index.js';
import {
  bootstrapMean,
  editStability,
  halfOf,
  type Interval,
  sizeDistribution,
} from '../lib/evaluate/index.js';
import {
  bm25Retriever,
  type Document,
  type KvEngine,
  type Retriever,
  type TokenizedDocument,
} from '../lib/index.js';
import { Cl100kTokenizer } from './chunking/cl100k.js';
import { readCorpus, readQuestions, type ReferencedQuestion } from './chunking/data.js';
import { intentSpeed } from './chunking/intent-speed.js';
import { type ChunkerKind, chunkerKinds, modelChunkerKinds } from './chunking/kinds.js';
import {
  omegaAsPublished,
  publishedCorpora,
  publishedOmegas,
  publishedQuestions,
} from './chunking/published.js';
import { budgets, difference, omegaOf, type QuestionScores, scoresOf } from './chunking/quality.js';
import { reportPage, type ReportRow } from './chunking/report-page.js';
import { memory, speed } from './chunking/speed.js';
import { textLosses } from './chunking/text-losses.js';
import { tune, type Tuned } from './chunking/tune.js';
import { BenchUsageError } from './command-line.js';
import {
  atLeast,
  atMost,
  type BenchOptions,
  type BenchOutcome,
  benchWith,
  emptyOutcome,
  isWanted,
  round,
} from './harness.js';

/** Others are held against it. */
const baseline = 'recursive';
/** Retrievers that every chunking is searched with, by name. */
const retrievers: Readonly<Record<string, () => Retriever>> = { bm25: () => bm25Retriever() };
/** UTF-16 units of a document that edits are tried on: each edit cuts it anew. */
const editedUnits = 100_000;

/** How chunkers compare at equal size: what they let a retriever find, how they stand edits, and how fast they are. */
export const chunking = benchWith(
  {
    corpus: { type: 'string', value: 'DIR', help: 'folder of .md and .txt files' },
    questions: { type: 'string', value: 'FILE', help: 'questions with references into them' },
    chunkers: {
      type: 'string',
      value: 'A,B',
      default: Object.keys(chunkerKinds).join(','),
      help: 'chunkers to compare; perplexity runs --model',
    },
    sizes: { type: 'string', value: 'N,M', default: '200,400', help: 'mean tokens of chunks' },
    half: { type: 'string', default: 'all', help: 'all, search or held-out questions' },
    html: { type: 'string', value: 'FILE', help: 'write a report with the text cut side by side' },
  },
  async (options, own) => {
    const model = options.model ?? 'smollm2-135m-instruct';
    if (own.corpus === undefined) throw new BenchUsageError('Give --corpus DIR.');
    const documents = await readCorpus(own.corpus);
    const names = own.chunkers.split(',');
    const unknown = names.find((name) => !isKnown(name));
    if (unknown !== undefined) {
      const known = Object.keys({ ...chunkerKinds, ...modelChunkerKinds }).join(', ');
      throw new BenchUsageError(`--chunkers has "${unknown}"; known are ${known}.`);
    }
    const sizes = own.sizes.split(',').map(Number);
    if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 8)) {
      throw new BenchUsageError(`--sizes is "${own.sizes}"; give whole numbers of at least 8.`);
    }
    const { half } = own;
    if (half !== 'all' && half !== 'search' && half !== 'held-out') {
      throw new BenchUsageError(`--half is "${half}"; give all, search or held-out.`);
    }
    const tokenizer = new Cl100kTokenizer();
    const needsModel = names.some((name) => Object.hasOwn(modelChunkerKinds, name));
    const outcome = emptyOutcome(needsModel ? model : 'none');
    await using engine = needsModel ? await engineOf(model, options) : undefined;
    const losses = engine && textLosses(engine, (ids) => tokenizer.decode(ids));
    const kindOf = (name: string): ChunkerKind =>
      losses && Object.hasOwn(modelChunkerKinds, name)
        ? (modelChunkerKinds[name]?.(losses) as ChunkerKind)
        : (chunkerKinds[name] as ChunkerKind);
    const tokenized: TokenizedDocument[] = [];
    for (const document of documents) {
      tokenized.push({ ...document, tokens: await tokenizer.encode(document.text) });
    }
    const questions = own.questions
      ? (await readQuestions(own.questions, documents)).filter(
          ({ question }) => half === 'all' || halfOf(question) === half,
        )
      : [];

    if (isWanted('published', options, outcome)) {
      published(tokenized, questions, tokenizer, outcome);
    }
    const rows: ReportRow[] = [];
    const cuts: Tuned[] = [];
    const wantsQuality = isWanted('quality', options, outcome);
    const wantsStability = isWanted('stability', options, outcome);
    if (wantsQuality || wantsStability || own.html !== undefined) {
      for (const size of sizes) {
        const tuned = new Map<string, Tuned>();
        for (const name of names) {
          const found = await tune(kindOf(name), tokenized, size);
          tuned.set(name, found);
          const { variation } = sizeDistribution(found.chunks.map((chunk) => chunk.tokens.length));
          outcome.figures[`${name}.${size}.meanTokens`] = round(found.meanTokens);
          outcome.figures[`${name}.${size}.sizeVariation`] = round(variation);
        }
        if (size === sizes[0]) cuts.push(...tuned.values());
        if (wantsQuality) {
          rows.push(...(await quality(size, tuned, questions, options, outcome)));
        }
        if (wantsStability) {
          await stability(size, tuned, documents, tokenizer, options, outcome);
        }
      }
    }
    if (isWanted('speed', options, outcome)) await speed(documents, options, outcome);
    if (isWanted('intent', options, outcome)) await intentSpeed(options, outcome);
    if (isWanted('memory', options, outcome)) await memory(documents, outcome);
    if (own.html !== undefined) {
      await writeFile(own.html, reportPage(documents, cuts, rows, outcome));
      options.log(`wrote ${own.html}`);
    }
    return outcome;
  },
);

const isKnown = (name: string) =>
  Object.hasOwn(chunkerKinds, name) || Object.hasOwn(modelChunkerKinds, name);

async function engineOf(model: string, { device, threads }: BenchOptions): Promise<KvEngine> {
  const { path } = await resolveModel(model);
  return loadEngine({ model: path, device, ...(threads && { threads }) });
}

/** The measure held against published values of it, where the data are those that were published. */
function published(
  documents: readonly TokenizedDocument[],
  questions: readonly ReferencedQuestion[],
  tokenizer: Cl100kTokenizer,
  { figures, goals, skipped }: BenchOutcome,
): void {
  if (questions.length === 0) {
    skipped.push('published: no --questions');
    return;
  }
  const names = documents.map(({ id }) => id).sort();
  const isAll = names.join() === publishedCorpora.join() && questions.length === publishedQuestions;
  for (const published of publishedOmegas) {
    const { kind, size, overlap, percent } = published;
    const omega = omegaAsPublished(published, documents, questions, tokenizer);
    const name = `published.${kind}.${size}.${overlap}`;
    figures[`${name}.omegaPercent`] = round(omega);
    if (isAll) goals[`${name}.offPublished`] = atMost(Math.abs(omega - percent), 0.06);
  }
  if (!isAll) {
    skipped.push(
      `published values to compare with: they are over ${publishedQuestions} questions on ${publishedCorpora.join(', ')}`,
    );
  }
}

async function quality(
  size: number,
  tuned: ReadonlyMap<string, Tuned>,
  questions: readonly ReferencedQuestion[],
  options: BenchOptions,
  { figures, skipped }: BenchOutcome,
): Promise<ReportRow[]> {
  if (questions.length === 0) {
    skipped.push('quality: no --questions');
    return [];
  }
  const rows: ReportRow[] = [];
  const note = (name: string, { value, low, high }: Interval) => {
    figures[name] = round(value);
    figures[`${name}.low`] = round(low);
    figures[`${name}.high`] = round(high);
  };
  for (const [retriever, make] of Object.entries(retrievers)) {
    const scores = new Map<string, QuestionScores>();
    for (const [name, { chunks }] of tuned) {
      scores.set(name, await scoresOf(chunks, questions, make()));
    }
    const base = scores.get(baseline);
    for (const [name, { chunks, meanTokens }] of tuned) {
      const own = scores.get(name) as QuestionScores;
      const at = `${name}.${size}.${retriever}`;
      const omega = omegaOf(chunks, questions);
      figures[`${name}.${size}.precisionOmega`] = round(omega);
      const recalls = budgets.map((budget) => bootstrapMean(own.recall[budget]));
      const apart = budgets.map((budget) =>
        base && name !== baseline ? difference(own.recall[budget], base.recall[budget]) : undefined,
      );
      for (const [i, budget] of budgets.entries()) {
        note(`${at}.recall${budget}`, recalls[i] as Interval);
        const gap = apart[i];
        if (gap) note(`${at}.recall${budget}.over-${baseline}`, gap);
      }
      note(`${at}.recall5`, bootstrapMean(own.recallOfFew));
      note(`${at}.precision5`, bootstrapMean(own.precisionOfFew));
      note(`${at}.iou5`, bootstrapMean(own.iouOfFew));
      rows.push({ name, retriever, size, meanTokens, omega, recalls, apart });
      options.log(`${at}: ${budgets.map((b, i) => `${b}: ${percent(recalls[i])}`).join(', ')}`);
    }
  }
  return rows;
}

async function stability(
  size: number,
  tuned: ReadonlyMap<string, Tuned>,
  documents: readonly Document[],
  tokenizer: Cl100kTokenizer,
  options: BenchOptions,
  { figures, goals }: BenchOutcome,
): Promise<void> {
  for (const [name, { chunker }] of tuned) {
    let least = 1;
    for (const { id, text } of documents) {
      const chunkIds = async (edited: string) => {
        const tokens = await tokenizer.encode(edited);
        return (await chunker.chunk({ id, text: edited, tokens })).map((chunk) => chunk.id);
      };
      const found = await editStability(text.slice(0, editedUnits), { chunkIds });
      const at = `${name}.${size}.${id}`;
      figures[`${at}.unchanged`] = round(found.unchanged);
      figures[`${at}.reencoded.median`] = round(found.reencoded.median);
      figures[`${at}.reencoded.p95`] = round(found.reencoded.p95);
      least = Math.min(least, found.unchanged);
    }
    options.log(`${name}.${size}: at least ${(100 * least).toFixed(1)}% unchanged by an edit`);
    if (size === 200 && ['content-defined', 'recursive', 'anchored'].includes(name)) {
      goals[`${name}.${size}.unchanged.least`] = atLeast(least, 0.95);
    }
  }
}

const percent = (interval: Interval | undefined) =>
  interval ? `${(100 * interval.value).toFixed(1)}%` : '-';
