import type { Chunk, TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import type { LanguageModel } from '../language-model.js';
import { runSteps } from '../pace.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import { ask, type ModelCallOptions, checkAsk } from './model/ask.js';
import { type BoundaryCache, KeptRanges, memoryBoundaryCache } from './model/boundary-cache.js';
import { marginOf, marginPromptVersion, marginQuestion } from './model/margin-question.js';
import { chunksOfRanges } from './model/chunks-of-ranges.js';
import { askedNoMore, failedWith } from './model/in-parts.js';
import { checkedTarget, type OnChunkingNotice } from './model/notice.js';
import { contentParts } from './model/parts.js';
import { Patience } from './model/patience.js';
import { joinRanges, sentenceTokens, type UnitRange } from './model/unit-ranges.js';
import { stage } from './stage.js';
import { type Units, unitsOf } from './units.js';

export interface MarginChunkerOptions extends ModelCallOptions {
  /** Must give the first token's alternatives. */
  readonly model: LanguageModel;
  /** Changes whenever the model would answer otherwise, for example with its file; default its name. */
  readonly modelFingerprint?: string;
  /** Most tokens of a chunk, at least 4; default 400. */
  readonly maxTokens?: number;
  /**
   * Neighbours are joined while they have at most so many tokens together, not across places where decisions begin anew;
   * default 0, none.
   */
  readonly targetTokens?: number;
  /** What a sentence is held against: the chunk so far (default), or only the sentence before it. */
  readonly compare?: 'chunk' | 'sentence';
  /**
   * A sentence stays with the chunk where its margin is above it. `moving` (default): 0, and after five decisions the mean
   * of the last five margins. Or a number in [-1, 1].
   */
  readonly threshold?: 'moving' | number;
  /**
   * Whether decisions begin anew at content-defined places, some 400 tokens apart, each of them a border (default true), so
   * that an edit has its neighbourhood asked about again and moves no border beyond. False, as published: one run.
   */
  readonly stable?: boolean;
  /** Where boundaries are kept; default in memory, for as long as the chunker is. */
  readonly cache?: BoundaryCache;
  readonly onNotice?: OnChunkingNotice;
}

/** Decisions that a moving threshold looks back on. */
const recent = 5;
/** Where decisions begin anew. */
const anchors = { maxTokens: 512, minTokens: 256 };

/**
 * Asks a language model before each sentence whether it begins a new chunk, and weighs the two answers by their
 * probabilities (Meta-Chunking's margin sampling, arXiv 2410.12788). One call a sentence, one after another. The moving
 * threshold takes the model's bias away, and with it absolute evidence: about half of the decisions become cuts.
 *
 * Where the model gives neither answer, or fails, what is left up to the next content-defined place is cut by its structure, and
 * decisions begin anew there; after two failures in a row it is asked no more about the document. `onNotice` is told, and
 * nothing of that part is kept.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than `maxTokens` tokens
 * follow each other without a border between characters
 */
export function marginChunker(options: MarginChunkerOptions): Chunker {
  const { maxTokens } = checkedLimits({ maxTokens: options.maxTokens ?? 400 });
  const { model, targetTokens = 0, compare = 'chunk', threshold = 'moving' } = options;
  const { stable = true, cache = memoryBoundaryCache() } = options;
  const { modelFingerprint = model.name } = options;
  checkedTarget('marginChunker', targetTokens, maxTokens);
  checkAsk('marginChunker', options);
  if (threshold !== 'moving' && !(threshold >= -1 && threshold <= 1)) {
    throw new InvalidArgumentError(
      `marginChunker: threshold is ${threshold}; give -1 to 1, or 'moving'.`,
    );
  }
  const own = { maxTokens, targetTokens, compare, threshold, stable, cache, modelFingerprint };
  const plan: Plan = { ...options, ...own };
  return {
    name: nameOf('margin', [
      maxTokens,
      `target ${targetTokens}`,
      compare,
      threshold,
      !stable && 'one run',
      `of ${model.name}`,
    ]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return chunk(document, plan, chunkOptions);
    },
  };
}

type Plan = MarginChunkerOptions &
  Required<Omit<MarginChunkerOptions, 'onNotice' | keyof ModelCallOptions>>;

async function chunk(
  document: TokenizedDocument,
  plan: Plan,
  options: ChunkOptions,
): Promise<Chunk[]> {
  const longest = Math.min(plan.maxTokens, sentenceTokens);
  const units = await runSteps(unitsOf(document, longest, plan.maxTokens), stage(options, 0, 0.1));
  const { signal, onProgress } = stage(options, 0.1, 0.9);
  const ranges: UnitRange[] = [];
  const parts = contentParts(document, units, anchors);
  const patience = new Patience();
  let number = 0;
  for (let from = 0; from < units.size; number++) {
    signal?.throwIfAborted();
    const run = { from, to: plan.stable ? (parts[number]?.to ?? units.size) : units.size };
    const found = await decide(document, units, run, { ...plan, patience }, signal);
    let end = run.to;
    if (found.failure) {
      const { at, why, cause } = found.failure;
      while ((parts[number]?.to ?? end) <= at) number++;
      end = parts[number]?.to ?? end;
      const last = { from: found.failure.from, to: end };
      const placeOf = (unit: number) =>
        document.tokens.starts[units.starts[unit] as number] as number;
      plan.onNotice?.({
        kind: 'structural-fallback',
        documentId: document.id,
        start: placeOf(last.from),
        end: placeOf(last.to),
        message: `A part of document "${document.id}" was cut by its structure: ${why}`,
        ...(cause !== undefined && { cause }),
      });
      found.ranges.push(last);
    }
    ranges.push(...joinRanges(units, found.ranges, plan.targetTokens));
    onProgress?.(end / units.size);
    from = end;
  }
  return runSteps(chunksOfRanges(document, units, ranges, plan.maxTokens), stage(options, 0.9, 1));
}

interface Decided {
  readonly ranges: UnitRange[];
  /** Why nothing is decided from a sentence on: the first of the chunk so far, and the one that was asked about. */
  readonly failure?: {
    readonly from: number;
    readonly at: number;
    readonly why: string;
    readonly cause?: unknown;
  };
}

async function decide(
  document: TokenizedDocument,
  units: Units,
  { from, to }: UnitRange,
  plan: Plan & { readonly patience: Patience },
  signal: AbortSignal | undefined,
): Promise<Decided> {
  const { text, tokens } = document;
  const { starts } = units;
  const textOf = (first: number, end: number) =>
    text.slice(tokens.starts[starts[first] as number], tokens.starts[starts[end] as number]).trim();
  const { maxTokens, compare, threshold, cache, model, modelFingerprint, patience } = plan;
  const kept = await KeptRanges.of(cache, to - from, [
    'margin',
    marginPromptVersion,
    modelFingerprint,
    [maxTokens, compare, threshold],
    Array.from({ length: to - from }, (_, i) => [
      textOf(from + i, from + i + 1),
      (starts[from + i + 1] as number) - (starts[from] as number),
    ]),
  ]);
  const known = await kept.get();
  if (known) return { ranges: known.map((range) => moved(range, from)) };
  const ranges: UnitRange[] = [];
  const margins: number[] = [];
  let first = from;
  const stopped = (at: number, why: string, cause?: unknown): Decided => ({
    ranges,
    failure: { from: first, at, why, ...(cause !== undefined && { cause }) },
  });
  for (let unit = from + 1; unit < to; unit++) {
    // Nothing to be asked: it does not fit.
    let keeps = (starts[unit + 1] as number) - (starts[first] as number) <= maxTokens;
    if (keeps) {
      if (patience.isOver) return stopped(unit, askedNoMore(model.name), patience.cause);
      const before = textOf(compare === 'chunk' ? first : unit - 1, unit);
      const question = marginQuestion(before, textOf(unit, unit + 1));
      let margin: number | undefined;
      try {
        margin = marginOf(await ask(model, question, plan, signal));
        patience.answered();
      } catch (cause) {
        signal?.throwIfAborted();
        patience.failed(cause);
        return stopped(unit, failedWith(model.name, cause), cause);
      }
      if (margin === undefined) {
        return stopped(unit, `the model "${model.name}" answered neither 1 nor 2.`);
      }
      keeps = margin > thresholdOf(threshold, margins);
      margins.push(margin);
    }
    if (keeps) continue;
    ranges.push({ from: first, to: unit });
    first = unit;
  }
  ranges.push({ from: first, to });
  // One run that began anew is not what another would begin with.
  if (plan.stable || from === 0) await kept.set(ranges.map((range) => moved(range, -from)));
  return { ranges };
}

function thresholdOf(threshold: 'moving' | number, margins: readonly number[]): number {
  if (threshold !== 'moving') return threshold;
  if (margins.length < recent) return 0;
  return margins.slice(-recent).reduce((sum, margin) => sum + margin, 0) / recent;
}

function moved({ from, to }: UnitRange, by: number): UnitRange {
  return { from: from + by, to: to + by };
}
