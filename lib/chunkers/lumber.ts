import type { Chunk, TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import type { LanguageModel } from '../language-model.js';
import { runSteps, type Steps } from '../pace.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import { ask, askWithGrammar, checkAsk, type ModelCallOptions } from './model/ask.js';
import { type BoundaryCache, memoryBoundaryCache } from './model/boundary-cache.js';
import { chunksOfRanges } from './model/chunks-of-ranges.js';
import { askedNoMore, failedWith, type PartFound, rangesInParts } from './model/in-parts.js';
import type { OnChunkingNotice } from './model/notice.js';
import { contentParts } from './model/parts.js';
import { Patience } from './model/patience.js';
import { shiftOf, shiftPromptVersion, shiftQuestion } from './model/shift-question.js';
import { fitRanges, joinShortRanges, sentenceTokens, type UnitRange } from './model/unit-ranges.js';
import { stage } from './stage.js';
import { PARAGRAPH, type Units, unitsOf } from './units.js';

export interface LumberChunkerOptions extends ModelCallOptions {
  readonly model: LanguageModel;
  /** Changes whenever the model would answer otherwise, for example with its file; default its name. */
  readonly modelFingerprint?: string;
  /** Most tokens of a chunk, at least 4, and of the paragraphs that the model is shown; default 550, as published. */
  readonly maxTokens?: number;
  /** A shorter chunk is joined with a neighbour where both fit; default a tenth of `maxTokens`, 0 for what the model said. */
  readonly minTokens?: number;
  /** Most tokens of a paragraph; a longer one is numbered in pieces of whole sentences. Default a sixth of `maxTokens`. */
  readonly paragraphTokens?: number;
  /**
   * Whether decisions begin anew at content-defined places, four times `maxTokens` apart at most, each of them a border
   * (default true), so that an edit has its neighbourhood asked about again and moves no border beyond. False, as published: one run.
   */
  readonly stable?: boolean;
  /** Whether answers are bound to a grammar, by models that follow one; default true. */
  readonly grammar?: boolean;
  /** Parts that are asked about at once; default 1. Of one run there is one part. */
  readonly concurrency?: number;
  /** Where boundaries are kept; default in memory, for as long as the chunker is. */
  readonly cache?: BoundaryCache;
  readonly onNotice?: OnChunkingNotice;
}

/**
 * Shows a language model as many numbered paragraphs as fit into `maxTokens` and asks at which of them the content turns to
 * something else; the chunk ends there, and the next question begins with it (LumberChunker, arXiv 2406.17526). One call a
 * chunk. What is left where the rest of a part fits is one chunk, and not asked about.
 *
 * Where the answers name no paragraph that was shown, those paragraphs are cut by their structure as by
 * {@link contentDefinedChunker}, as where the model fails or takes too long; after two failures in a row it is asked no more about the
 * document. `onNotice` is told, and nothing of that part is kept.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than `maxTokens` tokens
 * follow each other without a border between characters
 */
export function lumberChunker(options: LumberChunkerOptions): Chunker {
  const { maxTokens, minTokens } = checkedLimits({
    maxTokens: options.maxTokens ?? 550,
    minTokens: options.minTokens,
  });
  const { model, stable = true, attempts = 2, concurrency = 1 } = options;
  const { paragraphTokens = Math.max(1, Math.floor(maxTokens / 6)) } = options;
  checkAsk('lumberChunker', options);
  for (const [name, value, most] of [
    ['paragraphTokens', paragraphTokens, maxTokens],
    ['concurrency', concurrency, Number.MAX_SAFE_INTEGER],
  ] as const) {
    if (Number.isSafeInteger(value) && value >= 1 && value <= most) continue;
    throw new InvalidArgumentError(
      `lumberChunker: ${name} is ${value}; give a whole number from 1 to ${most}.`,
    );
  }
  const plan: Plan = {
    ...options,
    maxTokens,
    minTokens,
    paragraphTokens,
    stable,
    attempts,
    concurrency,
    modelFingerprint: options.modelFingerprint ?? model.name,
    grammar: options.grammar ?? true,
    cache: options.cache ?? memoryBoundaryCache(),
  };
  return {
    name: nameOf('lumber', [
      maxTokens,
      `paragraphs ${paragraphTokens}`,
      !stable && 'one run',
      `of ${model.name}`,
    ]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return chunk(document, plan, chunkOptions);
    },
  };
}

type Plan = LumberChunkerOptions &
  Required<Omit<LumberChunkerOptions, 'onNotice' | keyof ModelCallOptions>> & {
    readonly attempts: number;
  };

async function chunk(
  document: TokenizedDocument,
  plan: Plan,
  options: ChunkOptions,
): Promise<Chunk[]> {
  const { maxTokens } = plan;
  const longest = Math.min(maxTokens, sentenceTokens);
  const units = await runSteps(unitsOf(document, longest, maxTokens), stage(options, 0, 0.1));
  const whole = units.size > 0 ? [{ from: 0, to: units.size }] : [];
  const sizes = { maxTokens: 4 * maxTokens, minTokens: 2 * maxTokens };
  const parts = plan.stable ? contentParts(document, units, sizes) : whole;
  const patience = new Patience();
  const ranges = await rangesInParts(
    {
      document,
      units,
      parts,
      modelName: plan.model.name,
      cache: plan.cache,
      onNotice: plan.onNotice,
      patience,
      concurrency: plan.concurrency,
      keyParts: (part) => keyParts(document, units, part, plan),
      find: (part, signal) => group(document, units, part, { ...plan, patience }, signal),
    },
    stage(options, 0.1, 0.9),
  );
  return runSteps(chunksOfRanges(document, units, ranges, maxTokens), stage(options, 0.9, 1));
}

/** Everything that the boundaries of a part depend on. */
function keyParts(
  document: TokenizedDocument,
  units: Units,
  { from, to }: UnitRange,
  plan: Plan,
): readonly unknown[] {
  const { modelFingerprint, maxTokens, minTokens, paragraphTokens, attempts, grammar } = plan;
  return [
    'lumber',
    shiftPromptVersion,
    modelFingerprint,
    [maxTokens, minTokens, paragraphTokens, attempts, grammar],
    Array.from({ length: to - from }, (_, i) => [
      textOf(document, units, { from: from + i, to: from + i + 1 }),
      // Where paragraphs end, and what fits.
      i > 0 && (units.kinds[from + i] as number),
      (units.starts[from + i + 1] as number) - (units.starts[from] as number),
    ]),
  ];
}

async function group(
  document: TokenizedDocument,
  units: Units,
  part: UnitRange,
  plan: Plan & { readonly patience: Patience },
  signal: AbortSignal | undefined,
): Promise<PartFound> {
  const { maxTokens, model, patience } = plan;
  const paragraphs = await runSteps(paragraphsOf(document, units, part, plan.paragraphTokens), {
    signal,
  });
  const ranges: UnitRange[] = [];
  const gaps: (UnitRange & { why: string; cause?: unknown })[] = [];
  let first = 0;
  while (first < paragraphs.length) {
    const from = (paragraphs[first] as UnitRange).from;
    let end = first + 1;
    while (end < paragraphs.length && tokensOf(units, from, paragraphs[end]) <= maxTokens) end++;
    let next = end;
    // Nothing to be asked: all that is left fits, or a single paragraph does not fit with the next.
    if (end < paragraphs.length && end - first > 1) {
      const shown = paragraphs.slice(first, end);
      const asked = () =>
        shiftIn(document, units, shown, plan, signal).catch((cause: unknown) => {
          signal?.throwIfAborted();
          patience.failed(cause);
          return { cause };
        });
      const shift = patience.isOver ? { cause: patience.cause } : await asked();
      if (typeof shift === 'number') next = first + shift;
      else if (shift === undefined) {
        const why = `the model "${model.name}" named no paragraph that it was shown.`;
        gaps.push({ from, to: (paragraphs[end] as UnitRange).from, why });
      } else {
        const { cause } = shift;
        if (patience.isOver) next = paragraphs.length;
        const why = patience.isOver ? askedNoMore(model.name) : failedWith(model.name, cause);
        const gap = { from, to: paragraphs[next]?.from ?? part.to, why, cause };
        // What was not answered one after another is one.
        const last = ranges.at(-1);
        if (last && gaps.at(-1)?.to === from && last.to === from && gaps.at(-1)?.cause) {
          ranges.pop();
          gaps.pop();
          gap.from = last.from;
        }
        gaps.push(gap);
        ranges.push({ from: gap.from, to: gap.to });
        first = next;
        continue;
      }
    }
    ranges.push({ from, to: paragraphs[next]?.from ?? part.to });
    first = next;
  }
  return { ranges: joinShortRanges(units, ranges, plan), gaps };
}

/** Number, from 0, of the paragraph at which the content changes; undefined where no answer is of use. */
async function shiftIn(
  document: TokenizedDocument,
  units: Units,
  shown: readonly UnitRange[],
  plan: Plan & { readonly patience: Patience },
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const { grammar, ...plain } = shiftQuestion(shown.map((range) => textOf(document, units, range)));
  for (let attempt = 0; attempt < plan.attempts; attempt++) {
    // Asked the same way, a model would answer the same.
    const again = attempt > 0 ? { temperature: 0.5, seed: attempt } : {};
    const { text } = plan.grammar
      ? await askWithGrammar(
          plan.model,
          { ...plain, ...again, ...(grammar !== undefined && { grammar }) },
          plan,
          signal,
        )
      : await ask(plan.model, { ...plain, ...again }, plan, signal);
    plan.patience.answered();
    const id = shiftOf(text, shown.length);
    if (id !== undefined) return id - 1;
  }
  return undefined;
}

/** Paragraphs of a part, without blank ones, long ones in pieces. */
function* paragraphsOf(
  document: TokenizedDocument,
  units: Units,
  { from, to }: UnitRange,
  paragraphTokens: number,
): Steps<UnitRange[]> {
  const borders = [from];
  for (let unit = from + 1; unit < to; unit++) {
    if ((units.kinds[unit] as number) <= PARAGRAPH) borders.push(unit);
  }
  const whole = borders.map((border, i) => ({ from: border, to: borders[i + 1] ?? to }));
  const pieces = yield* fitRanges(document, units, whole, paragraphTokens);
  return pieces.filter((range, i) => i === 0 || textOf(document, units, range) !== '');
}

function tokensOf({ starts }: Units, from: number, last: UnitRange | undefined): number {
  return (starts[last?.to ?? from] as number) - (starts[from] as number);
}

function textOf(
  { text, tokens }: TokenizedDocument,
  { starts }: Units,
  { from, to }: UnitRange,
): string {
  return text
    .slice(tokens.starts[starts[from] as number], tokens.starts[starts[to] as number])
    .trim();
}
