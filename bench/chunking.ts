import { writeFile } from 'node:fs/promises';
import { loadEmbedder } from '../adapters/ggml/index.js';
import { halfOf, type Interval, sizeDistribution } from '../lib/evaluate/index.js';
import type { Document, Embedder, TokenizedDocument } from '../lib/index.js';
import { HashingEmbedder } from '../lib/testing/index.js';
import { bordersOf, type BorderScores, chanceOf, unmark } from './chunking/boundaries.js';
import { Cl100kTokenizer } from './chunking/cl100k.js';
import { LossReader } from './chunking/by-losses.js';
import { type Confirmation, confirm, type ScoredArm } from './chunking/confirm.js';
import { readCorpus, readQuestions, type ReferencedQuestion } from './chunking/data.js';
import { intentSpeed } from './chunking/intent-speed.js';
import { keepVectors, vectorsPath } from './chunking/kept-vectors.js';
import {
  askingChunkerKinds,
  type ChunkerKind,
  chunkerKinds,
  embedderChunkerKinds,
  lossChunkerKinds,
  toldChunkerKinds,
} from './chunking/kinds.js';
import { type ModelSide, modelSide } from './chunking/model-side.js';
import { pass } from './chunking/pass.js';
import { cutsPicture } from './chunking/picture.js';
import { published } from './chunking/published.js';
import { budgets } from './chunking/quality.js';
import { baseline, quality } from './chunking/quality-rows.js';
import { reportPage, type ReportRow } from './chunking/report-page.js';
import { retrieverNames } from './chunking/retrievers.js';
import { signalsOf } from './chunking/signals.js';
import { memory, speed } from './chunking/speed.js';
import { stability } from './chunking/stability.js';
import { tune, type Tuned, type TuneOptions } from './chunking/tune.js';
import { BenchUsageError } from './command-line.js';
import {
  type BenchOptions,
  type BenchOutcome,
  benchWith,
  emptyOutcome,
  isWanted,
  round,
} from './harness.js';

/** By so much may the mean size of a chunker be off that has a model read the text for each size that is tried. */
const modelTolerance = 0.05;
/** What is tried first for those, over the mean size: nearly always near enough, or the next is. */
const firstLimits: Readonly<Record<string, number>> = {
  perplexity: 2,
  'single-pass': 2,
  lumber: 1.3,
  margin: 1.3,
  'question-aware': 1,
};
/** Parts that a model reads texts for again and again: they run where they are named. */
const namedParts = ['clarity', 'pass'];

/** How chunkers compare at equal size: what they let a retriever find, how they stand edits, and how fast they are. */
export const chunking = benchWith(
  {
    corpus: {
      type: 'string',
      value: 'DIR',
      help: 'folder of .md and .txt files, or with docs.json',
    },
    questions: { type: 'string', value: 'FILE', help: 'questions with references into them' },
    texts: { type: 'string', value: 'A,B', help: 'names of texts to take; default all' },
    characters: {
      type: 'string',
      value: 'N',
      help: 'take so much of each text, and the questions that are answered there; default all',
    },
    chunkers: {
      type: 'string',
      value: 'A,B',
      default: Object.keys(chunkerKinds).join(','),
      help: `chunkers to compare; also ${Object.keys(toldChunkerKinds).join(', ')}, by --embedder ${Object.keys(embedderChunkerKinds).join(', ')}, by --model ${[...Object.keys(lossChunkerKinds), ...Object.keys(askingChunkerKinds)].join(', ')}`,
    },
    sizes: { type: 'string', value: 'N,M', default: '200,400', help: 'mean tokens of chunks' },
    retrievers: { type: 'string', value: 'A,B', default: 'bm25', help: retrieverNames.join(', ') },
    embedder: {
      type: 'string',
      value: 'MODEL',
      default: 'all-minilm-l6-v2',
      help: 'of dense search and of chunkers: a model, or hashing',
    },
    window: {
      type: 'string',
      value: 'N',
      help: "tokens of the embedder's window; default what its file says",
    },
    vectors: {
      type: 'string',
      value: 'FILE',
      help: 'where vectors are kept for later runs; default in the cache folder',
    },
    answers: {
      type: 'string',
      value: 'FILE',
      help: "where a language model's answers are kept for later runs; default in the cache folder",
    },
    half: { type: 'string', default: 'all', help: 'all, search or held-out questions' },
    html: { type: 'string', value: 'FILE', help: 'write a report with the text cut side by side' },
    svg: {
      type: 'string',
      value: 'FILE',
      help: 'write a picture of the first text as each chunker cuts it; for a page or two, see --characters',
    },
  },
  async (options, own) => {
    const model = options.model ?? 'smollm2-135m-instruct';
    if (own.corpus === undefined) throw new BenchUsageError('Give --corpus DIR.');
    const names = own.chunkers.split(',');
    assertKnown('chunkers', names, [
      ...Object.keys(chunkerKinds),
      ...Object.keys(toldChunkerKinds),
      ...Object.keys(embedderChunkerKinds),
      ...Object.keys(modelKinds),
    ]);
    const searched = own.retrievers.split(',');
    assertKnown('retrievers', searched, retrieverNames);
    const sizes = own.sizes.split(',').map(Number);
    if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 8)) {
      throw new BenchUsageError(`--sizes is "${own.sizes}"; give whole numbers of at least 8.`);
    }
    const { half } = own;
    if (half !== 'all' && half !== 'search' && half !== 'held-out') {
      throw new BenchUsageError(`--half is "${half}"; give all, search or held-out.`);
    }
    const all = await readCorpus(own.corpus);
    const wanted = own.texts?.split(',');
    if (wanted) {
      assertKnown(
        'texts',
        wanted,
        all.map(({ id }) => id),
      );
    }
    const most = own.characters === undefined ? Infinity : Number(own.characters);
    if (!(most >= 1))
      throw new BenchUsageError(`--characters is "${own.characters}"; give a number.`);
    const documents = all
      .filter(({ id }) => !wanted || wanted.includes(id))
      .map((document) => ({ ...document, text: beginningOf(document.text, most) }));
    const tokenizer = new Cl100kTokenizer();
    const needsModel =
      names.some((name) => Object.hasOwn(modelKinds, name)) ||
      namedParts.some((part) => options.only.includes(part));
    const outcome = emptyOutcome(needsModel ? model : 'none');
    await using side = needsModel
      ? await modelSide({ model, answers: own.answers }, tokenizer, options)
      : undefined;
    const needsEmbedder =
      isNamed('clarity', options, outcome) ||
      searched.some((name) => name !== 'bm25') ||
      names.some((name) => Object.hasOwn(embedderChunkerKinds, name));
    await using opened = needsEmbedder ? await embedderOf(own, options) : undefined;
    const embedder = opened && keepVectors(opened, own.vectors ?? vectorsPath(opened));
    const kindOf = (name: string, meanTokens: number): ChunkerKind =>
      (side && modelKinds[name]?.(side.given, meanTokens)) ??
      (embedder && embedderChunkerKinds[name]?.(embedder)) ??
      toldChunkerKinds[name] ??
      (chunkerKinds[name] as ChunkerKind);
    const tokenized: TokenizedDocument[] = [];
    for (const document of documents) {
      tokenized.push({ ...document, tokens: await tokenizer.encode(document.text) });
    }
    const lengths = new Map(documents.map(({ id, text }) => [id, text.length]));
    const isAsked = ({ question, references }: ReferencedQuestion): boolean =>
      (half === 'all' || halfOf(question) === half) &&
      (!wanted || references.every(({ documentId }) => wanted.includes(documentId))) &&
      references.every(({ documentId, end }) => end <= (lengths.get(documentId) ?? 0));
    const questions = own.questions
      ? (await readQuestions(own.questions, all)).filter(isAsked)
      : [];

    if (isWanted('published', options, outcome)) {
      published(tokenized, questions, tokenizer, outcome);
    }
    const rows: ReportRow[] = [];
    const arms: ScoredArm[] = [];
    const cuts = new Map<string, Tuned>();
    const wantsQuality = isWanted('quality', options, outcome);
    const wantsStability = isWanted('stability', options, outcome);
    const wantsSizes = isWanted('sizes', options, outcome);
    const reader =
      side && embedder && options.only.includes('clarity')
        ? new LossReader(side.given.engine, embedder)
        : undefined;
    const isShown = own.html !== undefined || own.svg !== undefined;
    if (wantsSizes || wantsQuality || wantsStability || reader || isShown) {
      for (const size of sizes) {
        const tuned = new Map<string, Tuned>();
        for (const name of names) {
          const found = await tune(kindOf(name, size), tokenized, size, tuning(name, size, side));
          tuned.set(name, found);
          noteSizes(`${name}.${size}`, found, options, outcome);
        }
        if (reader) await clarity(size, tuned, documents, reader, options, outcome);
        if (size === sizes[0]) for (const [name, cut] of tuned) cuts.set(name, cut);
        if (wantsQuality) {
          const found = await quality(
            { size, tuned, questions, searched, embedder, documents: tokenized },
            options,
            outcome,
          );
          rows.push(...found.rows);
          arms.push(...found.arms);
        }
        if (wantsStability) {
          await stability(size, tuned, documents, tokenizer, options, outcome);
        }
      }
    }
    const confirmed = half === 'all' ? confirm(arms, baseline, questions) : [];
    note(confirmed, outcome, options);
    if (isWanted('boundaries', options, outcome)) {
      await boundaries(names, kindOf, documents, tokenizer, side, options, outcome);
    }
    if (isWanted('speed', options, outcome)) await speed(documents, options, outcome);
    if (isWanted('intent', options, outcome)) await intentSpeed(options, outcome);
    if (isWanted('memory', options, outcome)) await memory(documents, outcome);
    if (isNamed('pass', options, outcome) && side) {
      await pass(side.given.engine, documents, options, outcome);
    }
    if (own.html !== undefined) {
      const signals = await signalsOf(tokenized, { losses: side?.given.losses, embedder });
      await writeFile(
        own.html,
        reportPage({ documents, cuts: [...cuts.values()], rows, confirmed, signals }, outcome),
      );
      options.log(`wrote ${own.html}`);
    }
    const [pictured] = documents;
    if (own.svg !== undefined && pictured) {
      const columns = Array.from(cuts, ([name, { chunks }]) => ({
        name,
        chunks: chunks.filter(({ documentId }) => documentId === pictured.id),
      }));
      await writeFile(own.svg, cutsPicture(pictured, columns));
      options.log(`wrote ${own.svg}`);
    }
    return outcome;
  },
);

function assertKnown(option: string, given: readonly string[], known: readonly string[]): void {
  const unknown = given.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new BenchUsageError(`--${option} has "${unknown}"; known are ${known.join(', ')}.`);
}

/** As much of a text as it has characters at most, to the end of a word. */
function beginningOf(text: string, most: number): string {
  if (text.length <= most) return text;
  const part = text.slice(0, most);
  return part.slice(0, Math.max(part.search(/\s\S*$/) + 1, 0)) || part;
}

/** Chunkers that need a language model. */
const modelKinds = { ...lossChunkerKinds, ...askingChunkerKinds };

/** Whether a part is to run that runs only where it is named; noted in the outcome where not. */
function isNamed(
  part: string,
  { only }: Pick<BenchOptions, 'only'>,
  { skipped }: Pick<BenchOutcome, 'skipped'>,
): boolean {
  if (only.includes(part)) return true;
  skipped.push(`${part}: not named by --only`);
  return false;
}

function tuning(name: string, meanTokens: number, side: ModelSide | undefined): TuneOptions {
  if (!side || !Object.hasOwn(modelKinds, name)) return {};
  const first = Math.round((firstLimits[name] ?? 1) * meanTokens);
  return { tolerance: modelTolerance, first, spent: () => side.spent() };
}

/** How large the chunks are, and what a model did for them. */
function noteSizes(
  at: string,
  { chunks, spent }: Tuned,
  { log }: BenchOptions,
  { figures }: BenchOutcome,
): void {
  const { variation, ...sizes } = sizeDistribution(chunks.map(({ tokens }) => tokens.length));
  figures[`${at}.meanTokens`] = round(sizes.mean);
  figures[`${at}.sizeVariation`] = round(variation);
  figures[`${at}.chunks`] = sizes.count;
  for (const which of ['min', 'p5', 'median', 'p95', 'max'] as const) {
    figures[`${at}.tokens.${which}`] = round(sizes[which]);
  }
  if (spent.calls === 0 && spent.read === 0) return;
  figures[`${at}.model.calls`] = spent.calls;
  figures[`${at}.model.tokensRead`] = spent.read;
  figures[`${at}.model.tokensGenerated`] = spent.generated;
  figures[`${at}.model.ms`] = spent.milliseconds;
  figures[`${at}.model.fallbacks`] = spent.fallbacks;
  log(
    `${at}: ${sizes.count} chunks of ${sizes.mean.toFixed(1)} tokens, ${spent.calls} calls, ${spent.read} tokens read, ${spent.generated} generated, ${spent.fallbacks} parts cut by structure`,
  );
}

/** What a model's losses say of the beginnings of the texts. */
async function clarity(
  size: number,
  tuned: ReadonlyMap<string, Tuned>,
  documents: readonly Document[],
  reader: LossReader,
  { log }: BenchOptions,
  { figures }: BenchOutcome,
): Promise<void> {
  for (const { id } of documents) {
    for (const [name, { chunks }] of tuned) {
      const found = await reader.measure(chunks.filter(({ documentId }) => documentId === id));
      const at = `clarity.${id}.${name}.${size}`;
      const values = {
        chunks: found.chunks,
        boundaryClarity: found.clarity.paper,
        'boundaryClarity.code': found.clarity.code,
        stickiness: found.stickiness.paper,
        'stickiness.code': found.stickiness.code,
        chunkScore: found.score.score,
        'chunkScore.dispersion': found.score.dispersion,
      };
      for (const [what, value] of Object.entries(values)) figures[`${at}.${what}`] = round(value);
      const said = Object.entries(values).map(([what, value]) => `${what} ${round(value)}`);
      log(`${at}: ${said.join(', ')}`);
    }
  }
}

async function embedderOf(
  { embedder: model, window }: { readonly embedder: string; readonly window: string | undefined },
  { threads }: BenchOptions,
): Promise<Embedder & AsyncDisposable> {
  if (model !== 'hashing') {
    return loadEmbedder({
      model,
      ...(threads && { threads }),
      ...(window !== undefined && { sequenceLength: Number(window) }),
    });
  }
  const hashing = new HashingEmbedder({ dimensions: 384 });
  return Object.assign(hashing, { [Symbol.asyncDispose]: async () => {} });
}

/** What was chosen on one half of the questions, on the other. */
function note(
  confirmed: readonly Confirmation[],
  { figures, goals }: BenchOutcome,
  { log }: BenchOptions,
): void {
  for (const { chosen, size, retriever, search, heldOut } of confirmed) {
    log(
      `${retriever}, ${size} tokens: chosen ${chosen}, ahead by ${said(search)}; held out ${said(heldOut)}`,
    );
    for (const [i, budget] of budgets.entries()) {
      const { value, low, high } = heldOut[i] as Interval;
      const name = `confirmed.${size}.${retriever}.${chosen}.recall${budget}.over-${baseline}`;
      figures[name] = round(value);
      figures[`${name}.high`] = round(high);
      goals[`${name}.low`] = above(low);
    }
  }
}

const said = (gains: readonly Interval[]): string =>
  gains
    .map(({ value, low, high }) => [value, low, high].map((x) => (100 * x).toFixed(1)))
    .map(([value, low, high]) => `${value} [${low}, ${high}]`)
    .join(' and ');

const above = (value: number) => ({ value: round(value), goal: '> 0', met: value > 0 });

/** How well chunkers find paragraphs whose marks were taken away, beside chance. */
async function boundaries(
  names: readonly string[],
  kindOf: (name: string, meanTokens: number) => ChunkerKind,
  documents: readonly Document[],
  tokenizer: Cl100kTokenizer,
  side: ModelSide | undefined,
  { log }: BenchOptions,
  { figures, skipped }: BenchOutcome,
): Promise<void> {
  for (const document of documents) {
    const unmarked = await unmark(document, tokenizer);
    if (!unmarked) {
      skipped.push(`boundaries of ${document.id}: too few paragraphs`);
      continue;
    }
    const say = (name: string, { f1, pk, windowDiff }: BorderScores): void => {
      const at = `borders.${document.id}.${name}`;
      figures[`${at}.f1`] = round(f1);
      figures[`${at}.pk`] = round(pk);
      figures[`${at}.windowDiff`] = round(windowDiff);
      log(
        `${at}: F1 ${(100 * f1).toFixed(1)}, Pk ${(100 * pk).toFixed(1)}, WindowDiff ${(100 * windowDiff).toFixed(1)}`,
      );
    };
    figures[`borders.${document.id}.paragraphs`] = unmarked.reference.borders.length + 1;
    figures[`borders.${document.id}.sentences`] = unmarked.reference.size;
    say('chance', chanceOf(unmarked));
    for (const name of names) {
      const { meanTokens } = unmarked;
      const kind = kindOf(name, Math.round(meanTokens));
      say(name, await bordersOf(kind, unmarked, tuning(name, meanTokens, side)));
    }
  }
}
