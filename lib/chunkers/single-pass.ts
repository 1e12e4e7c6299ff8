import type { Chunk, TokenizedDocument } from '../document.js';
import { encodeDocument, type EncodedDocumentChunk } from '../encode/encode-document.js';
import type { Segment } from '../encode/segments.js';
import { suffixesAtOnce } from '../encode/suffix.js';
import type { KvArena, KvSequence } from '../engine/arena.js';
import type { Span } from '../engine/span.js';
import type { KvEngine } from '../engine/engine.js';
import { InvalidArgumentError } from '../errors.js';
import { runAtOnce, runSteps } from '../pace.js';
import { buildChunks } from './build-chunks.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import { mergeUnits } from './merge-units.js';
import { type BoundaryCache, KeptRanges, memoryBoundaryCache } from './model/boundary-cache.js';
import { lossMinima, rangesAtMinima, sentenceLosses } from './model/loss-minima.js';
import { checkedTarget, type OnChunkingNotice } from './model/notice.js';
import { Patience } from './model/patience.js';
import {
  fitRanges,
  joinRanges,
  sentenceTokens,
  spansOfRanges,
  type UnitRange,
} from './model/unit-ranges.js';
import { stage } from './stage.js';
import { type Units, unitsOf } from './units.js';

export interface SinglePassChunkerOptions {
  /** Documents must have its tokenizer's tokens. */
  readonly engine: KvEngine;
  /**
   * The canonical prefix that every segment is computed after: tokens, computed once a document, or a sequence that is
   * computed, whose arena has room for a segment, or one that is lent for each segment. Default: BOS, where the model wants
   * one.
   */
  readonly prefix?: Int32Array | KvSequence | PrefixLender;
  /** Tokens that the keys and values of each chunk end with, such as the separator in prompts; default none. */
  readonly suffix?: Int32Array;
  /** Most tokens of a chunk, at least 4; default 300. */
  readonly maxTokens?: number;
  /** Neighbours are joined while they have at most so many tokens together; default two thirds of `maxTokens`. */
  readonly targetTokens?: number;
  /** By how many nats a token the loss of a sentence must be below that of a neighbour; default 0. */
  readonly threshold?: number;
  /**
   * How a document is divided: by its content, into segments of at most `maxTokens`, default 1,792, two thirds of it on
   * average; each is computed with the `overlap` tokens before it, default 128. Since two neighbours never fit into one, at
   * most `2 * overlap / maxTokens` of a document is computed twice.
   */
  readonly segments?: { readonly maxTokens?: number; readonly overlap?: number };
  /** What else the pass is to give, to {@link onEncoded}; default keys and values, where that is there. */
  readonly outputs?: {
    readonly kv?: boolean;
    readonly statistics?: boolean;
    /** Layer whose residual stream is averaged over each chunk. */
    readonly pooled?: number;
  };
  /** Told of every chunk that was computed, in order, before the document is cut to its end. */
  readonly onEncoded?: (chunk: EncodedPassage) => void | Promise<void>;
  /**
   * Segments that it knows are not computed again, and their chunks not given to {@link onEncoded}: whoever cuts a
   * document again has them. Default in memory, for as long as the chunker is.
   */
  readonly cache?: BoundaryCache;
  readonly onNotice?: OnChunkingNotice;
}

/** Lends a prefix, and the cells behind it, for as long as a segment is computed. */
export interface PrefixLender {
  readonly tokens: Int32Array;
  /** @param cells that are needed beside those of the prefix. */
  lend(cells: number, signal?: AbortSignal): Promise<LentPrefix>;
}

/** A sequence that holds the prefix, until it is given back. */
export interface LentPrefix {
  readonly sequence: KvSequence;
  release(): void;
}

/** A chunk as the pass left it. The numbers of `number`, `saw` and `statistics` are those of chunks of the document. */
export interface EncodedPassage extends EncodedDocumentChunk {
  readonly documentId: string;
  /** Tokens of the earlier chunks that it saw, whole or in part: those of the numbers in `saw`. */
  readonly sawTokens: readonly Span[];
}

/**
 * Cuts a document and encodes its chunks in one pass of the model: the losses of a segment's tokens say where it is cut
 * (Meta-Chunking's rule, see {@link perplexityChunker}), then the chunks' keys and values are cut out of the same pass,
 * each in sight of the text before it, with attention statistics and pooled vectors where wanted.
 *
 * A segment begins where the text says so, is cut on its own, and depends on nothing but its tokens and its overlap. So
 * an edit has its own segment computed again, and the next where the overlap reaches that far; the result is the
 * same as of a document that was never seen.
 *
 * A segment that cannot be computed is cut by its structure, and `onNotice` is told; after two in a row no more are tried of the
 * document.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than `maxTokens` tokens
 * follow each other without a border between characters, and with what `onEncoded` throws
 */
export function singlePassChunker(options: SinglePassChunkerOptions): Chunker {
  const { maxTokens } = checkedLimits({ maxTokens: options.maxTokens ?? 300 });
  const { targetTokens = Math.floor((2 * maxTokens) / 3), threshold = 0 } = options;
  const { cache = memoryBoundaryCache(), onEncoded } = options;
  const segments = { ...passSegments, ...options.segments };
  const { outputs = { kv: onEncoded !== undefined } } = options;
  checkedTarget('singlePassChunker', targetTokens, maxTokens);
  for (const [name, value] of Object.entries(segments)) {
    if (Number.isSafeInteger(value) && value >= (name === 'overlap' ? 0 : 1)) continue;
    throw new InvalidArgumentError(
      `singlePassChunker: ${name} of segments is ${value}; give a whole number${name === 'overlap' ? '' : ' of at least 1'}.`,
    );
  }
  if (!Number.isFinite(threshold) || threshold < 0) {
    throw new InvalidArgumentError(
      `singlePassChunker: threshold is ${threshold}; give nats of at least 0.`,
    );
  }
  const plan = { ...options, maxTokens, targetTokens, threshold, segments, cache, outputs };
  return {
    name: nameOf('single-pass', [maxTokens, `target ${targetTokens}`, threshold]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return chunk(document, plan, chunkOptions);
    },
  };
}

type Plan = SinglePassChunkerOptions &
  Required<
    Pick<SinglePassChunkerOptions, 'maxTokens' | 'targetTokens' | 'threshold' | 'cache' | 'outputs'>
  > & { readonly segments: PassSegments };

async function chunk(
  document: TokenizedDocument,
  plan: Plan,
  options: ChunkOptions,
): Promise<Chunk[]> {
  const longest = Math.min(plan.maxTokens, sentenceTokens);
  const units = await runSteps(unitsOf(document, longest, plan.maxTokens), stage(options, 0, 0.1));
  const { signal, onProgress } = stage(options, 0.1, 0.9);
  const sentences = Array.from({ length: units.size }, (_, i) => ({
    start: units.starts[i] as number,
    end: units.starts[i + 1] as number,
  }));
  const segments = await segmentsIn(document, units, plan.segments, signal);
  const spans: Span[] = [];
  await using prefix = new Prefix(plan, segments);
  const patience = new Patience();
  for (const [done, segment] of segments.entries()) {
    signal?.throwIfAborted();
    const work = { document, units, sentences, plan, segment, before: spans, patience, signal };
    spans.push(...(await cutSegment(work, prefix)));
    onProgress?.((done + 1) / segments.length);
  }
  const flat = spans.flatMap(({ start, end }) => [start, end]);
  return runSteps(buildChunks(document, flat, units.outline), stage(options, 0.9, 1));
}

/** Default sizes of segments. */
export const passSegments = { maxTokens: 1792, overlap: 128 } as const;

/**
 * The tokens of each segment that {@link singlePassChunker} computes a document in, its overlap included; each begins where
 * the one before it ends, but for the overlap. Nothing is computed for it.
 */
export async function singlePassSegments(
  document: TokenizedDocument,
  { maxTokens, segments }: { readonly maxTokens: number; readonly segments: PassSegments },
  signal?: AbortSignal,
): Promise<Span[]> {
  const longest = Math.min(maxTokens, sentenceTokens);
  const units = await runSteps(unitsOf(document, longest, maxTokens), signal ? { signal } : {});
  return (await segmentsIn(document, units, segments, signal)).map(({ tokens }) => tokens);
}

interface PassSegments {
  readonly maxTokens: number;
  readonly overlap: number;
}

async function segmentsIn(
  document: TokenizedDocument,
  units: Units,
  { maxTokens, overlap }: PassSegments,
  signal: AbortSignal | undefined,
): Promise<Segment[]> {
  const firsts = await runSteps(mergeUnits(document, units, maxTokens), signal ? { signal } : {});
  return segmentsAt(firsts, units, overlap);
}

/**
 * Segments that begin with these sentences. The ends of sections and paragraphs, and hashes of the text, decide which
 * those are and not how far they are from the beginning, so that an edit moves them in its neighbourhood only.
 */
function segmentsAt(firsts: Int32Array, { starts, size }: Units, overlap: number): Segment[] {
  return Array.from(firsts, (first, i) => {
    const end = firsts[i + 1] ?? size;
    return {
      chunks: { start: first, end },
      tokens: {
        start: Math.max(0, (starts[first] as number) - overlap),
        end: starts[end] as number,
      },
    };
  });
}

interface Work {
  readonly document: TokenizedDocument;
  readonly units: Units;
  readonly sentences: readonly Span[];
  readonly plan: Plan;
  readonly segment: Segment;
  /** Tokens of the document's chunks before the segment. */
  readonly before: readonly Span[];
  readonly patience: Patience;
  readonly signal: AbortSignal | undefined;
}

/** Tokens of each chunk of a segment. */
async function cutSegment(work: Work, prefix: Prefix): Promise<Span[]> {
  const { document, plan, units, segment, before, patience } = work;
  const { start: first, end } = segment.chunks;
  const kept = await KeptRanges.of(plan.cache, end - first, keyParts(work));
  const known = await kept.get();
  if (known) return spansIn(work, known);
  let ranges: UnitRange[] = [{ from: 0, to: end - first }];
  const leave = (why: string, cause: unknown): Span[] => {
    const [from = 0, to = 0] = [units.starts[first], units.starts[end]].map(
      (token) => document.tokens.starts[token as number],
    );
    plan.onNotice?.({
      kind: 'structural-fallback',
      documentId: document.id,
      start: from,
      end: to,
      message: `A part of document "${document.id}" was cut by its structure: ${why}`,
      cause,
    });
    return spansIn(work, [{ from: 0, to: end - first }]);
  };
  if (patience.isOver)
    return leave('no more was tried after what failed before it.', patience.cause);
  let chunks: readonly EncodedDocumentChunk[];
  let lent: LentPrefix | undefined;
  try {
    lent = await prefix.lend(segment, work.signal);
    chunks = await encodeSegment(work, lent.sequence, (losses) => {
      const own = work.sentences.slice(first, end);
      const start = own[0]?.start ?? 0;
      const means = sentenceLosses(
        losses,
        own.map((span) => ({ start: span.start - start, end: span.end - start })),
      );
      const found = rangesAtMinima(means.length, lossMinima(means, plan.threshold), 'after');
      ranges = joinRanges({ starts: units.starts.subarray(first) }, found, plan.targetTokens);
      return ranges;
    });
    patience.answered();
  } catch (cause) {
    work.signal?.throwIfAborted();
    patience.failed(cause);
    return leave(`it could not be computed (${String(cause)}).`, cause);
  } finally {
    lent?.release();
  }
  for (const passage of numbered(document.id, chunks, before)) await plan.onEncoded?.(passage);
  await kept.set(ranges);
  return chunks.map(({ tokens }) => tokens);
}

/** Everything that a segment's boundaries, and what is made of its chunks, depend on. */
function keyParts({ document, units, plan, segment }: Work): readonly unknown[] {
  const { engine, prefix, maxTokens, targetTokens, threshold, outputs } = plan;
  const { start, end } = segment.tokens;
  return [
    'single-pass',
    engine.model.fingerprint,
    [...(prefix === undefined ? [] : ArrayBuffer.isView(prefix) ? prefix : prefix.tokens)],
    [...(plan.suffix ?? [])],
    [maxTokens, targetTokens, threshold, outputs.kv, outputs.statistics, outputs.pooled],
    [...units.starts.subarray(segment.chunks.start, segment.chunks.end)].map((at) => at - start),
    [...document.tokens.ids.subarray(start, end)],
  ];
}

/** Token spans of a segment's ranges, which count from its first sentence. */
function spansIn({ document, units, plan, segment }: Work, ranges: readonly UnitRange[]): Span[] {
  return joinedIn({ document, units, plan, segment }, ranges).map(({ tokens }) => tokens);
}

function joinedIn(
  { document, units, plan, segment }: Pick<Work, 'document' | 'units' | 'plan' | 'segment'>,
  ranges: readonly UnitRange[],
): { spans: Span; tokens: Span }[] {
  const first = segment.chunks.start;
  const own = ranges.map(({ from, to }) => ({ from: first + from, to: first + to }));
  const fitting = runAtOnce(fitRanges(document, units, own, plan.maxTokens));
  return fitting.flatMap((range) => {
    const [start, end] = spansOfRanges(document, units, [range]);
    if (start === undefined || end === undefined) return [];
    return { spans: { start: range.from, end: range.to }, tokens: { start, end } };
  });
}

async function encodeSegment(
  { document, units, sentences, plan, segment, before, signal }: Work,
  prefix: KvSequence,
  rangesOf: (losses: Float32Array) => readonly UnitRange[],
): Promise<readonly EncodedDocumentChunk[]> {
  const { kv = false, statistics = false, pooled } = plan.outputs;
  for await (const { chunks } of encodeDocument({
    model: plan.engine.model,
    prefix,
    tokens: document.tokens.ids,
    spans: sentences,
    segments: [segment],
    kv,
    statistics,
    ...(pooled !== undefined && { pooled }),
    ...(plan.suffix && { suffix: plan.suffix }),
    join: (_, losses) => joinedIn({ document, units, plan, segment }, rangesOf(losses)),
    earlier: shownChunks(before, segment).map(({ start }) => unitAt(units, start)),
    ...(signal && { signal }),
  })) {
    return chunks;
  }
  return [];
}

/** The earlier chunks that a segment's overlap shows, whole or in part. */
function shownChunks(before: readonly Span[], { tokens }: Segment): Span[] {
  let first = before.length;
  while (first > 0 && (before[first - 1] as Span).end > tokens.start) first--;
  return before.slice(first);
}

/** Number of the sentence that holds a token. */
function unitAt({ starts, size }: Units, token: number): number {
  let [low, high] = [0, size - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] as number) <= token) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Numbers of sentences become numbers of chunks. */
function numbered(
  documentId: string,
  chunks: readonly EncodedDocumentChunk[],
  before: readonly Span[],
): EncodedPassage[] {
  const all = [...before, ...chunks.map(({ tokens }) => tokens)];
  return chunks.map((chunk, i) => {
    const { statistics } = chunk;
    const number = before.length + i;
    let first = number;
    while (first > 0 && (all[first - 1] as Span).end > chunk.warmup.start) first--;
    const count = number - first;
    // Blanks before the first chunk that it saw are none.
    const inter = statistics?.inter.slice(Math.max(0, statistics.inter.length - count)) ?? [];
    return {
      ...chunk,
      documentId,
      number,
      saw: { start: first, end: number },
      sawTokens: all.slice(first, number),
      ...(statistics && {
        statistics: {
          ...statistics,
          inter: inter.map((entry, at) => ({ ...entry, chunk: first + at })),
        },
      }),
    };
  });
}

/** The prefix that segments are computed after, made when the first one is. */
class Prefix implements AsyncDisposable {
  readonly #plan: Plan;
  readonly #longest: number;
  #arena: KvArena | undefined;
  #sequence: KvSequence | undefined;

  constructor(plan: Plan, segments: readonly Segment[]) {
    this.#plan = plan;
    this.#longest = segments.reduce(
      (most, { tokens: { start, end } }) => Math.max(most, end - start),
      0,
    );
  }

  async lend({ tokens }: Segment, signal: AbortSignal | undefined): Promise<LentPrefix> {
    const { prefix } = this.#plan;
    if (prefix && 'lend' in prefix) {
      return prefix.lend(tokens.end - tokens.start + this.#suffixes, signal);
    }
    return { sequence: await this.#own(signal), release: () => {} };
  }

  get #suffixes(): number {
    return suffixesAtOnce * (this.#plan.suffix?.length ?? 0);
  }

  async #own(signal: AbortSignal | undefined): Promise<KvSequence> {
    const { engine, prefix } = this.#plan;
    if (prefix && !ArrayBuffer.isView(prefix)) return prefix as KvSequence;
    if (this.#sequence) return this.#sequence;
    const { addBos, bos } = engine.tokenizer;
    const tokens = prefix ?? (addBos && bos >= 0 ? Int32Array.of(bos) : new Int32Array());
    this.#arena ??= await engine.createArena({
      cells: this.#longest + tokens.length + this.#suffixes,
    });
    const sequence = this.#arena.createSequence();
    try {
      if (tokens.length > 0) {
        await sequence.append(tokens, { logits: 'none', ...(signal && { signal }) });
      }
      this.#sequence = sequence;
      return sequence;
    } catch (error) {
      sequence.dispose();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sequence?.dispose();
    await this.#arena?.dispose();
  }
}
