import type { Chunk, TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { part, runSteps, type Steps } from '../pace.js';
import type { Embedder } from '../retrieve/embedder.js';
import { buildChunks } from './build-chunks.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import { embedTexts, textsOf } from './embedded-units.js';
import { headingIntents } from './intent/heading-intents.js';
import { intentCount, type IntentSource } from './intent/intents.js';
import { type IntentObjective, type Worths, worthsOf } from './intent/objective.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import { mergeUnits } from './merge-units.js';
import { spansOfUnits } from './pack.js';
import { bestSegmentation } from './segmentation-dp.js';
import { stage } from './stage.js';
import { unitsOf, type Units } from './units.js';

export interface IntentChunkerOptions {
  readonly embedder: Embedder;
  /** Where questions come from; default {@link headingIntents}, which needs no model. */
  readonly intents?: IntentSource;
  /** Most tokens of a chunk, at least 4; default 400. */
  readonly maxTokens?: number;
  /** Most sentences of a chunk; default 15. */
  readonly maxSentences?: number;
  /** Default the paper's, with `lambda` 0.0005. */
  readonly objective?: IntentObjective;
  /**
   * What a chunk costs: the higher, the fewer chunks. A number, or the mean size that it is found for by search; default
   * `{ meanTokens: half of maxTokens }`.
   */
  readonly beta?: number | { readonly meanTokens: number };
  /** Told why a document, or a part of it, was cut without intents: they could not be had, or there were none. */
  readonly onFallback?: (reason: string) => void;
}

/** Longest sentence, in tokens; longer ones are cut before they are embedded. */
const sentenceTokens = 120;
/** Between which `beta` is searched for. No chunk's nearness is beyond 1. */
const widest = 4;

/**
 * Cuts so that each chunk answers one question that readers are likely to ask (Intent-Driven Dynamic Chunking, arXiv
 * 2602.14784): the sum over chunks of the cosine between a chunk's mean sentence and its nearest question, less what
 * long chunks and many chunks cost, is maximised exactly. Each chunk's metadata has its question as `intent`.
 *
 * Without intents (the source failed, or found none) a document is cut as by {@link contentDefinedChunker}, and
 * `onFallback` is told; text is never lost. Sentences that the embedder fails on are near no question, which is told as well. Calls of a
 * model are not kept: same questions, same chunks.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it for vectors that are none
 */
export function intentChunker(options: IntentChunkerOptions): Chunker {
  const { maxTokens } = checkedLimits({ maxTokens: options.maxTokens ?? 400 });
  const { maxSentences = 15, intents = headingIntents } = options;
  const { objective = { mode: 'paper', lambda: 0.0005 } } = options;
  const { beta = { meanTokens: maxTokens / 2 } } = options;
  if (!Number.isSafeInteger(maxSentences) || maxSentences < 1 || maxSentences > 1000) {
    throw new InvalidArgumentError(
      `intentChunker: maxSentences is ${maxSentences}; give 1 to 1000.`,
    );
  }
  if (typeof beta === 'number' ? !Number.isFinite(beta) : !(beta.meanTokens > 0)) {
    throw new InvalidArgumentError(
      `intentChunker: beta is ${JSON.stringify(beta)}; give a number or { meanTokens }.`,
    );
  }
  if (!Number.isFinite(objective.lambda)) {
    throw new InvalidArgumentError(`intentChunker: lambda is ${objective.lambda}; give a number.`);
  }
  const plan: Plan = { ...options, maxTokens, maxSentences, intents, objective, beta };
  return {
    name: nameOf('intent', [
      maxTokens,
      objective.mode,
      `of ${intents.name}`,
      typeof beta === 'number' ? `beta ${beta}` : `mean ${beta.meanTokens}`,
    ]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return chunk(document, plan, chunkOptions);
    },
  };
}

type Plan = Required<Omit<IntentChunkerOptions, 'onFallback'>> &
  Pick<IntentChunkerOptions, 'onFallback'>;

async function chunk(
  document: TokenizedDocument,
  plan: Plan,
  chunkOptions: ChunkOptions,
): Promise<Chunk[]> {
  const { embedder, maxTokens, maxSentences, objective } = plan;
  const longest = Math.min(maxTokens, sentenceTokens);
  const units = await runSteps(unitsOf(document, longest, maxTokens), stage(chunkOptions, 0, 0.1));
  if (units.size === 0) return runSteps(noChunks(), chunkOptions);
  const questions = await intentsOf(document, units, plan, chunkOptions);
  if (questions.length === 0) {
    return runSteps(withoutIntents(document, maxTokens), stage(chunkOptions, 0.3, 1));
  }
  const tell = ({ cause }: { readonly cause: unknown }, what: string): void =>
    plan.onFallback?.(
      `The embedder "${embedder.fingerprint}" failed on ${what} of "${document.id}": ${String(cause)}`,
    );
  let isAsked = true;
  const asked = await embedTexts(embedder, questions, 'query', {
    ...stage(chunkOptions, 0.3, 0.35),
    onFailed: (failed) => {
      isAsked = false;
      tell(failed, 'questions');
    },
  });
  if (!isAsked) return runSteps(withoutIntents(document, maxTokens), stage(chunkOptions, 0.35, 1));
  const texts = textsOf(document, units.starts, 0);
  const sentences = await embedTexts(embedder, texts, 'passage', {
    ...stage(chunkOptions, 0.35, 0.8),
    onFailed: (failed) => tell(failed, `sentences ${failed.from + 1} to ${failed.to}`),
  });
  const worths = await runSteps(
    worthsOf(document, units, sentences, asked, maxSentences, objective),
    stage(chunkOptions, 0.8, 0.9),
  );
  return runSteps(build(document, units, worths, questions, plan), stage(chunkOptions, 0.9, 1));
}

async function intentsOf(
  document: TokenizedDocument,
  units: Units,
  { intents, onFallback }: Plan,
  { signal }: ChunkOptions,
): Promise<readonly string[]> {
  try {
    const found = await intents.intentsOf(document, units, {
      count: intentCount(units.size),
      ...(signal && { signal }),
    });
    if (found.length === 0) onFallback?.(`${intents.name} found no question in "${document.id}".`);
    return found;
  } catch (error) {
    signal?.throwIfAborted();
    onFallback?.(`${intents.name} failed on "${document.id}": ${String(error)}`);
    return [];
  }
}

function* noChunks(): Steps<Chunk[]> {
  yield 1;
  return [];
}

function* withoutIntents(document: TokenizedDocument, maxTokens: number): Steps<Chunk[]> {
  const units = yield* part(unitsOf(document, maxTokens), 0, 0.6);
  const borders = yield* part(mergeUnits(document, units, maxTokens), 0.6, 0.7);
  const spans = spansOfUnits(document, units, borders);
  return yield* part(buildChunks(document, spans, units.outline), 0.7, 1);
}

function* build(
  document: TokenizedDocument,
  units: Units,
  worths: Worths,
  questions: readonly string[],
  { beta, maxTokens }: Plan,
): Steps<Chunk[]> {
  const borders = yield* part(segment(units, worths, beta, maxTokens), 0, 0.8);
  const spans = spansOfUnits(document, units, borders);
  const chunks = yield* part(buildChunks(document, spans, units.outline), 0.8, 1);
  const { maxSentences, intents } = worths;
  let border = 0;
  return chunks.map((chunk) => {
    const end = chunk.tokenStart + chunk.tokens.length;
    // Chunks of nothing but blanks were left out.
    while ((units.starts[borders[border + 1] ?? units.size] as number) < end) border++;
    const from = borders[border] as number;
    const length = (borders[border + 1] ?? units.size) - from;
    const intent = questions[intents[from * maxSentences + length - 1] as number] as string;
    return { ...chunk, metadata: { ...chunk.metadata, intent } };
  });
}

/** The best segmentation; of a mean size, the one with the `beta` that comes nearest to it. */
function* segment(
  units: Units,
  { maxSentences, values }: Worths,
  beta: number | { readonly meanTokens: number },
  maxTokens: number,
): Steps<number[]> {
  const { starts, size } = units;
  const cut = (cost: number) =>
    bestSegmentation({
      starts,
      maxUnits: maxSentences,
      maxTokens,
      score: (from, to) => (values[from * maxSentences + to - from - 1] as number) - cost,
    });
  if (typeof beta === 'number') return yield* cut(beta);
  const wanted = Math.max(1, (starts[size] as number) / beta.meanTokens);
  let low = -widest;
  let high = widest;
  let best: number[] = [];
  const rounds = 20;
  for (let round = 0; round < rounds; round++) {
    const middle = (low + high) / 2;
    const borders = yield* part(cut(middle), round / rounds, (round + 1) / rounds);
    const isNearer = Math.abs(borders.length - wanted) < Math.abs(best.length - wanted);
    if (best.length === 0 || isNearer) best = borders;
    if (borders.length === wanted) break;
    if (borders.length > wanted) low = middle;
    else high = middle;
  }
  return best;
}
