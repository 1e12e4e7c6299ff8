import type { Chunk, TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import type { GenerateRequest, LanguageModel } from '../language-model.js';
import { runAtOnce, runSteps } from '../pace.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import { ask, askWithGrammar, checkAsk, type ModelCallOptions } from './model/ask.js';
import { type BoundaryCache, memoryBoundaryCache } from './model/boundary-cache.js';
import { chunksOfRanges } from './model/chunks-of-ranges.js';
import { type PartFound, rangesInParts } from './model/in-parts.js';
import type { OnChunkingNotice } from './model/notice.js';
import { contentParts } from './model/parts.js';
import type { SegmentationJudge } from './model/segmentation-judge.js';
import {
  fitRanges,
  joinShortRanges,
  sentenceTokens,
  spansOfRanges,
  type UnitRange,
} from './model/unit-ranges.js';
import {
  outlineOf,
  outlineRequest,
  questionAwarePromptVersion,
  segmentRequest,
} from './question-aware/prompts.js';
import { readPassages, type ReadPassages } from './question-aware/read-passages.js';
import { type Window, windowOf } from './question-aware/window.js';
import { stage } from './stage.js';
import { type Units, unitsOf } from './units.js';

export interface QuestionAwareChunkerOptions extends ModelCallOptions {
  readonly model: LanguageModel;
  /** Changes whenever the model would answer otherwise, for example with its file; default its name. */
  readonly modelFingerprint?: string;
  /** Most tokens of a chunk, at least 4; default 400. */
  readonly maxTokens?: number;
  /** A shorter chunk is joined with a neighbour where both fit; default a tenth of `maxTokens`, 0 for what the model said. */
  readonly minTokens?: number;
  /** Size that the model is asked for, and for each of which there is a question; default two thirds of `maxTokens`. */
  readonly targetTokens?: number;
  /** Most tokens of a part of a document that is segmented in one go; default 1,500, at least `maxTokens`. */
  readonly windowTokens?: number;
  /** Tells the best of several segmentations, for example `chunkScoreJudge({ losses, embedder })`. */
  readonly judge?: SegmentationJudge;
  /** Segmentations that are asked for and judged; default 3 with a judge, 1 without, where there can be no more. */
  readonly candidates?: number;
  /** Of the segmentations; default 0.7, as published, for several, and 0 for one. */
  readonly temperature?: number;
  /** Whether the model is first asked for the questions that the passages will answer; default true. */
  readonly outline?: boolean;
  /** Whether answers are bound to a grammar, by models that follow one; default true. */
  readonly grammar?: boolean;
  /** Parts that are asked about at once; default 1. */
  readonly concurrency?: number;
  /** Where boundaries are kept; default in memory, for as long as the chunker is. */
  readonly cache?: BoundaryCache;
  readonly onNotice?: OnChunkingNotice;
}

/**
 * Has a language model write the questions that a text answers, then cut it into passages that answer them, several times, and
 * takes the segmentation that is judged best (QChunker, arXiv 2603.11650, with a model that was not trained for it). A document
 * longer than `windowTokens` is done in parts that begin at content-defined places. The published method goes on to have
 * passages completed: wrap the chunker in `withSideFields` for that.
 *
 * A model names passages by their first and last words; these are looked for in the text with errors forgiven, so no text
 * is lost or changed whatever it says. Under a grammar, for models that follow one, it can say nothing else than words that
 * are there. A part with no usable answer after `attempts`, or whose model fails or takes too long, is cut by its
 * structure as by {@link contentDefinedChunker}, as is what an answer leaves out at the end; `onNotice` is told,
 * and nothing of that part is kept. After two failures in a row the model is asked no more for this document.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than `maxTokens` tokens
 * follow each other without a border between characters
 */
export function questionAwareChunker(options: QuestionAwareChunkerOptions): Chunker {
  const plan = planOf(options);
  const { maxTokens, targetTokens, windowTokens, candidates, model } = plan;
  return {
    name: nameOf('question-aware', [
      maxTokens,
      `target ${targetTokens}`,
      `window ${windowTokens}`,
      candidates > 1 && `best of ${candidates}`,
      !plan.outline && 'no outline',
      `of ${model.name}`,
    ]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return chunk(document, plan, chunkOptions);
    },
  };
}

type Plan = QuestionAwareChunkerOptions &
  Required<Omit<QuestionAwareChunkerOptions, 'judge' | 'onNotice' | keyof ModelCallOptions>> & {
    readonly attempts: number;
  };

function planOf(options: QuestionAwareChunkerOptions): Plan {
  const { maxTokens, minTokens } = checkedLimits({
    maxTokens: options.maxTokens ?? 400,
    minTokens: options.minTokens,
  });
  const { model, judge, attempts = 2, concurrency = 1 } = options;
  const { targetTokens = Math.ceil((2 * maxTokens) / 3) } = options;
  const { windowTokens = Math.max(1500, maxTokens), candidates = judge ? 3 : 1 } = options;
  const { temperature = candidates > 1 ? 0.7 : 0 } = options;
  checkAsk('questionAwareChunker', options);
  if (!isCount(targetTokens) || targetTokens > maxTokens) {
    throw refuse(`targetTokens is ${targetTokens}; give 1 to maxTokens (${maxTokens}).`);
  }
  if (!isCount(windowTokens) || windowTokens < maxTokens) {
    throw refuse(`windowTokens is ${windowTokens}; give at least maxTokens (${maxTokens}).`);
  }
  if (!isCount(candidates) || candidates > 100) {
    throw refuse(`candidates is ${candidates}; give 1 to 100.`);
  }
  if (!isCount(concurrency)) throw refuse(`concurrency is ${concurrency}; give at least 1.`);
  if (candidates > 1 && !judge) {
    throw refuse(`${candidates} candidates cannot be told apart without a judge.`);
  }
  if (!(temperature >= 0 && temperature < Infinity)) {
    throw refuse(`temperature is ${temperature}; give a number of at least 0.`);
  }
  return {
    ...options,
    maxTokens,
    minTokens,
    targetTokens,
    windowTokens,
    candidates,
    temperature,
    attempts,
    concurrency,
    modelFingerprint: options.modelFingerprint ?? model.name,
    outline: options.outline ?? true,
    grammar: options.grammar ?? true,
    cache: options.cache ?? memoryBoundaryCache(),
  };
}

function refuse(what: string): InvalidArgumentError {
  return new InvalidArgumentError(`questionAwareChunker: ${what}`);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

async function chunk(
  document: TokenizedDocument,
  plan: Plan,
  options: ChunkOptions,
): Promise<Chunk[]> {
  const { maxTokens, windowTokens } = plan;
  const longest = Math.min(maxTokens, sentenceTokens);
  const units = await runSteps(unitsOf(document, longest, maxTokens), stage(options, 0, 0.1));
  const sizes = { maxTokens: windowTokens, minTokens: windowTokens >> 1 };
  const ranges = await rangesInParts(
    {
      document,
      units,
      parts: contentParts(document, units, sizes),
      modelName: plan.model.name,
      cache: plan.cache,
      onNotice: plan.onNotice,
      concurrency: plan.concurrency,
      keyParts: (part) => keyParts(windowOf(document, units, part), plan),
      find: (part, signal) => segment(document, units, part, plan, signal),
    },
    stage(options, 0.1, 0.9),
  );
  return runSteps(chunksOfRanges(document, units, ranges, maxTokens), stage(options, 0.9, 1));
}

/** Everything that the boundaries of a part depend on. */
function keyParts({ sentences, range }: Window, plan: Plan): readonly unknown[] {
  const { modelFingerprint, maxTokens, targetTokens, candidates, temperature, attempts } = plan;
  return [
    'question-aware',
    questionAwarePromptVersion,
    modelFingerprint,
    plan.judge?.fingerprint ?? '',
    [
      maxTokens,
      plan.minTokens,
      targetTokens,
      candidates,
      temperature,
      attempts,
      plan.outline,
      plan.grammar,
    ],
    sentences.map(({ text, unit, tokenStart, tokenEnd }) => [
      text,
      unit - range.from,
      tokenEnd - tokenStart,
    ]),
  ];
}

async function segment(
  document: TokenizedDocument,
  units: Units,
  part: UnitRange,
  plan: Plan,
  signal: AbortSignal | undefined,
): Promise<PartFound> {
  const window = windowOf(document, units, part);
  // Nothing to be asked.
  if (window.sentences.length < 2) return { ranges: [part] };
  const questions = plan.outline ? await questionsOf(window, plan, signal) : [];
  const request = segmentRequest(window, questions, plan);
  const found: ReadPassages[] = [];
  for (let candidate = 0; candidate < plan.candidates; candidate++) {
    const read = await candidateOf(window, request, candidate, plan, signal);
    if (read) found.push({ ...read, ranges: joinShortRanges(units, read.ranges, plan) });
  }
  const distinct = [...new Map(found.map((one) => [JSON.stringify(one.ranges), one])).values()];
  const [first] = distinct;
  if (!first) {
    const why = `no answer of the model "${plan.model.name}" could be found in the text.`;
    return { ranges: [part], gaps: [{ ...part, why }] };
  }
  if (distinct.length === 1 || !plan.judge) return foundOf(first, part, plan);
  try {
    return foundOf(await bestOf(document, units, distinct, plan.judge, plan, signal), part, plan);
  } catch (unjudged) {
    signal?.throwIfAborted();
    return { ...foundOf(first, part, plan), unjudged: unjudged ?? 'no reason' };
  }
}

async function questionsOf(
  window: Window,
  plan: Plan,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const count = Math.max(1, Math.round(window.tokens / plan.targetTokens));
  const { text } = await send(outlineRequest(window, count), plan, signal);
  return outlineOf(text, window.text, 2 * count);
}

/** One segmentation; asked again with another seed while the answer cannot be used. */
async function candidateOf(
  window: Window,
  request: Omit<GenerateRequest, 'signal'>,
  candidate: number,
  plan: Plan,
  signal: AbortSignal | undefined,
): Promise<ReadPassages | undefined> {
  for (let attempt = 0; attempt < plan.attempts; attempt++) {
    // Asked the same way, a model would answer the same.
    const temperature = attempt === 0 ? plan.temperature : Math.max(plan.temperature, 0.5);
    const seed = 1 + candidate + attempt * plan.candidates;
    const { text, finishReason } = await send({ ...request, temperature, seed }, plan, signal);
    const steps = readPassages(window, text, finishReason === 'length');
    const read = await runSteps(steps, { signal });
    if (read) return read;
  }
  return undefined;
}

function send(
  request: Omit<GenerateRequest, 'signal'>,
  plan: Plan,
  signal: AbortSignal | undefined,
) {
  if (plan.grammar) return askWithGrammar(plan.model, request, plan, signal);
  const { grammar: _, ...plain } = request;
  return ask(plan.model, plain, plan, signal);
}

async function bestOf(
  document: TokenizedDocument,
  units: Units,
  candidates: readonly ReadPassages[],
  judge: SegmentationJudge,
  { maxTokens }: Plan,
  signal: AbortSignal | undefined,
): Promise<ReadPassages> {
  const { text, tokens } = document;
  let best = candidates[0] as ReadPassages;
  let highest = -Infinity;
  for (const candidate of candidates) {
    signal?.throwIfAborted();
    // Judged as they will be cut.
    const fitting = runAtOnce(fitRanges(document, units, candidate.ranges, maxTokens));
    const spans = spansOfRanges(document, units, fitting);
    const chunks = Array.from({ length: spans.length / 2 }, (_, i) => {
      const [start, end] = [spans[2 * i] as number, spans[2 * i + 1] as number];
      return {
        text: text.slice(tokens.starts[start], tokens.starts[end]),
        tokens: tokens.ids.slice(start, end),
      };
    });
    const score = await judge.score(chunks, signal ? { signal } : {});
    if (Number.isNaN(score)) {
      throw new InvalidArgumentError(`The judge "${judge.fingerprint}" gave a score that is none.`);
    }
    if (score <= highest) continue;
    highest = score;
    best = candidate;
  }
  return best;
}

function foundOf({ ranges, openFrom }: ReadPassages, part: UnitRange, { model }: Plan): PartFound {
  if (openFrom === undefined) return { ranges };
  const why = `the answer of the model "${model.name}" ended before it.`;
  return { ranges, gaps: [{ from: openFrom, to: part.to, why }] };
}
