import type { KvSequence } from '../engine/arena.js';
import type { Span } from '../engine/span.js';
import type { ChunkKv } from '../engine/chunk-kv.js';
import type { ForwardOutputs, ForwardResult } from '../engine/forward.js';
import type { ModelInfo } from '../engine/model-info.js';
import { ComputeError, InvalidArgumentError } from '../errors.js';
import {
  joinedColumns,
  type SeenColumns,
  type SeenSpan,
  spanColumns,
  withSuffixRows,
} from './seen-columns.js';
import { type Segment, type SegmentOptions, segmentsOf } from './segments.js';
import { type EncodingStatistics, statisticsOf } from './statistics.js';
import { type CapturedCut, captureCuts } from './suffix.js';

export interface EncodeDocumentOptions {
  readonly model: ModelInfo;
  /** The canonical prefix, computed before. It is forked, not changed. */
  readonly prefix: KvSequence;
  /** Tokens of the document as they are to be computed, for example its passages one after another. */
  readonly tokens: Int32Array;
  /** Tokens of each chunk, in order. Default: the document in parts, for its losses alone. */
  readonly spans?: readonly Span[];
  /** How the document is divided, or the segments themselves, in order. */
  readonly segments?: SegmentOptions | readonly Segment[];
  /** Numbers of the segments to compute; default all. */
  readonly only?: readonly number[];
  /** Keys and values of each chunk; default true. */
  readonly kv?: boolean;
  /** Negative log-likelihood of each token; default false. */
  readonly losses?: boolean;
  /** Whom each chunk attended to; default false. Costs an attention map in the probe layers. */
  readonly statistics?: boolean;
  /** Layer whose residual stream is averaged over each chunk; default none. */
  readonly pooled?: number;
  /**
   * Makes chunks of several `spans` each, such as sentences, when a segment's pass is done and its losses are known, and
   * before anything is cut out of it. Default: every span is a chunk.
   */
  readonly join?: (segment: Segment, losses: Float32Array) => readonly JoinedSpans[];
  /**
   * With `join`: numbers of the spans that earlier chunks begin with, in order, so that statistics tell apart those that an
   * overlap shows. Default: an overlap is one chunk.
   */
  readonly earlier?: readonly number[];
  /**
   * Keys and values of a segment's first chunks, from its first on, as an earlier call with this option gave them; none is
   * an answer too. With it a segment is computed in pieces of at least 128 tokens, and what a piece sees of those before
   * it is what was cut out of them: so a chunk's KV is the same, bit for bit, whether those before it were computed or
   * taken, and only what follows is computed. What was taken is not among the chunks that are given. Spans must follow
   * one another; not with `losses` or `join`, and needs `kv`.
   */
  readonly resume?: (segment: Segment) => Promise<readonly ChunkKv[]>;
  /**
   * Tokens, such as the separator of passages in prompts, that are computed right after each chunk and belong to its keys and
   * values; nothing else sees them. Needs cells for sixteen of them. Not with `resume`.
   */
  readonly suffix?: Int32Array;
  readonly signal?: AbortSignal;
  /** Tokens computed so far, of how many, overlaps included. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Spans of a segment that are one chunk. */
export interface JoinedSpans {
  /** Numbers of the spans, `[start, end)`; those of one segment in order, none twice. */
  readonly spans: Span;
  /** What of their tokens is cut out, for example without blanks around it. */
  readonly tokens: Span;
}

/** What one segment's computation gave. */
export interface EncodedSegment {
  /** Its number in the document. */
  readonly number: number;
  readonly segment: Segment;
  readonly chunks: readonly EncodedDocumentChunk[];
  /**
   * Of the segment's own tokens, from its first chunk on: nats, NaN for a document's first token. Present when asked
   * for.
   */
  readonly losses?: Float32Array;
  /** Tokens that were computed, the overlap's included. */
  readonly computed: number;
  readonly computeMs: number;
}

export interface EncodedDocumentChunk {
  /** Its number in `spans`; of a joined chunk, that of its first span. */
  readonly number: number;
  /** Tokens of the document that it holds. */
  readonly tokens: Span;
  /** Tokens of the document that it saw, beside the prefix. */
  readonly warmup: Span;
  /** Numbers of the spans that it saw whole or in part. */
  readonly saw: Span;
  readonly kv?: ChunkKv;
  /** Of its keys and values, those of a suffix included. Where spans are joined, chunks go by the number of their first span. */
  readonly statistics?: EncodingStatistics;
  /** `[width]`; of a joined chunk, the mean over all tokens of its spans. */
  readonly pooled?: Float32Array;
  /** Its share of the segment's milliseconds, the overlap's included. */
  readonly computeMs: number;
}

/**
 * Computes a document segment by segment, each from the canonical prefix, and cuts chunks out of them: each chunk's KV
 * has seen what precedes it in its document, so that it needs less repair in a prompt, at the price of little more than
 * one pass over the text. The same pass gives losses, attention statistics and pooled vectors.
 *
 * One segment is held at a time. Needs cells for the longest one; all are given back.
 *
 * @throws InvalidArgumentError, ContextOverflowError where a segment does not fit, OutOfMemoryError, or the signal's
 * reason.
 */
export async function* encodeDocument(
  options: EncodeDocumentOptions,
): AsyncGenerator<EncodedSegment, void> {
  const { tokens, only, signal, onProgress } = options;
  const spans = options.spans ?? parts(tokens.length);
  const { segments = {} } = options;
  const all = 'length' in segments ? segments : segmentsOf(tokens, spans, segments);
  const wanted = only ?? all.map((_, number) => number);
  let total = 0;
  for (const number of wanted) total += lengthOf(all[number]?.tokens);
  let done = 0;
  for (const number of wanted) {
    signal?.throwIfAborted();
    const segment = all[number];
    if (!segment) continue;
    yield options.resume
      ? await encodeInPieces({ ...options, spans }, segment, number, options.resume)
      : await encodeSegment({ ...options, spans }, segment, number);
    done += lengthOf(segment.tokens);
    onProgress?.(done, total);
  }
}

async function encodeSegment(
  options: EncodeDocumentOptions & { readonly spans: readonly Span[] },
  segment: Segment,
  number: number,
): Promise<EncodedSegment> {
  const { prefix, tokens, spans, kv: wantsKv = true, signal } = options;
  const start = performance.now();
  const sequence = prefix.fork();
  try {
    const run = tokens.slice(segment.tokens.start, segment.tokens.end);
    const part = { rows: segment.tokens.start, chunks: segment.chunks };
    const result = await sequence.append(run, {
      ...outputsOf(options, segment, part),
      ...(signal && { signal }),
    });
    const losses = result.losses && ownLosses(result.losses, segment, spans);
    const joined = joinedSpans(options, segment, losses);
    const cuts = joined.map(({ tokens: own }) => moved(own, prefix.length - segment.tokens.start));
    const captured = wantsKv
      ? await captureCuts(sequence, cuts, {
          suffix: options.suffix,
          ...(options.statistics && { attentionLayers: options.model.probeLayers }),
          ...(signal && { signal }),
        })
      : [];
    const computeMs = performance.now() - start;
    return {
      number,
      segment,
      chunks: chunksOf(options, { segment, part, result, joined, captured, computeMs }),
      ...(losses && { losses }),
      computed: run.length + (wantsKv ? joined.length * (options.suffix?.length ?? 0) : 0),
      computeMs,
    };
  } finally {
    sequence.dispose();
  }
}

/** What one call of the engine computes of a segment. */
interface Part {
  /** Its first token. */
  readonly rows: number;
  /** Numbers of the chunks that end in it. */
  readonly chunks: Span;
}

async function encodeInPieces(
  options: EncodeDocumentOptions & { readonly spans: readonly Span[] },
  segment: Segment,
  number: number,
  resume: (segment: Segment) => Promise<readonly ChunkKv[]>,
): Promise<EncodedSegment> {
  const { prefix, tokens, spans, signal } = options;
  assertResumable(options, segment);
  const run = signal ? { signal } : {};
  const pieces = piecesOf(spans, segment);
  const taken = await resume(segment);
  const start = performance.now();
  let began = start;
  const sequence = prefix.fork();
  let computed = 0;
  try {
    const own = spans[segment.chunks.start]?.start ?? segment.tokens.end;
    const overlap = tokens.slice(segment.tokens.start, own);
    if (overlap.length > 0) await sequence.append(overlap, { logits: 'none', ...run });
    computed += overlap.length;
    const chunks: EncodedDocumentChunk[] = [];
    for (const piece of pieces) {
      const first = piece.start - segment.chunks.start;
      const known = taken.slice(first, piece.end - segment.chunks.start);
      if (chunks.length === 0 && known.length === piece.end - piece.start) {
        for (const kv of known) await sequence.splice(kv, run);
        continue;
      }
      const rows = spans[piece.start]?.start ?? 0;
      const part: Part = { rows, chunks: piece };
      const own = tokens.slice(rows, spans[piece.end - 1]?.end);
      const result = await sequence.append(own, { ...outputsOf(options, segment, part), ...run });
      computed += own.length;
      const captured: CapturedCut[] = [];
      for (let i = piece.start; i < piece.end; i++) {
        const at = moved(spans[i] as Span, prefix.length - segment.tokens.start);
        const kv = await sequence.capture(at, run);
        captured.push({ kv });
        // What follows sees what whoever takes it will see: keys lose their last bits when they are turned back.
        if (piece.end < segment.chunks.end) await sequence.load(at, kv, run);
      }
      const joined = Array.from(captured, (_, i) => joinedOf(spans, piece.start + i));
      const computeMs = performance.now() - began;
      began += computeMs;
      chunks.push(...chunksOf(options, { segment, part, result, joined, captured, computeMs }));
    }
    return { number, segment, chunks, computed, computeMs: performance.now() - start };
  } finally {
    sequence.dispose();
  }
}

/** Fewest tokens of a piece, unless the segment ends. */
const pieceTokens = 128;

/** Numbers of the chunks that are computed at once: from a segment's first on, as many as reach some length. */
function piecesOf(spans: readonly Span[], { chunks: { start, end } }: Segment): Span[] {
  const pieces: Span[] = [];
  let first = start;
  for (let i = start; i < end; i++) {
    const length = (spans[i]?.end ?? 0) - (spans[first]?.start ?? 0);
    if (length < pieceTokens && i + 1 < end) continue;
    pieces.push({ start: first, end: i + 1 });
    first = i + 1;
  }
  return pieces;
}

/** @throws InvalidArgumentError */
function assertResumable(
  { spans = [], losses, join, kv = true, suffix }: EncodeDocumentOptions,
  { chunks: { start, end } }: Segment,
): void {
  if (losses || join || suffix || !kv) {
    throw new InvalidArgumentError(
      'encodeDocument: resume goes with keys and values, and not with losses, join or a suffix.',
    );
  }
  for (let i = start + 1; i < end; i++) {
    if (spans[i]?.start === spans[i - 1]?.end) continue;
    throw new InvalidArgumentError(
      `encodeDocument: span ${i} does not begin where the one before it ends; with resume all must.`,
    );
  }
}

function joinedOf(spans: readonly Span[], number: number): JoinedSpans {
  return { spans: { start: number, end: number + 1 }, tokens: spans[number] as Span };
}

function joinedSpans(
  { spans = [], join }: EncodeDocumentOptions,
  segment: Segment,
  losses: Float32Array | undefined,
): readonly JoinedSpans[] {
  if (!join) {
    const { start, end } = segment.chunks;
    return Array.from({ length: end - start }, (_, i) => joinedOf(spans, start + i));
  }
  if (!losses) throw new ComputeError('The engine gave no losses.');
  const joined = join(segment, losses);
  let last = segment.chunks.start;
  for (const { spans: numbers, tokens } of joined) {
    const first = spans[numbers.start]?.start ?? Infinity;
    const end = spans[numbers.end - 1]?.end ?? -Infinity;
    const isInOrder = numbers.start >= last && numbers.end <= segment.chunks.end;
    const isInside = tokens.start >= first && tokens.end <= end && tokens.start < tokens.end;
    if (!isInOrder || numbers.end <= numbers.start || !isInside) {
      throw new InvalidArgumentError(
        `encodeDocument: join gave spans ${numbers.start} to ${numbers.end} and tokens ${tokens.start} to ${tokens.end}; ` +
          'it must give spans of the segment, in order, and tokens within them.',
      );
    }
    last = numbers.end;
  }
  return joined;
}

/** What is asked of the engine. Chunks that the overlap shows only in part are spans of their own. */
function outputsOf(
  { model, prefix, spans = [], losses, join, statistics, pooled }: EncodeDocumentOptions,
  segment: Segment,
  { rows, chunks }: Part,
): ForwardOutputs {
  const by = prefix.length - segment.tokens.start;
  return {
    logits: 'none',
    ...((losses || join) && { losses: true }),
    ...(statistics && {
      attention: {
        layers: model.probeLayers,
        perLayer: true,
        groups: [0],
        spans: seenBy(spans, segment, chunks.end).map(({ span }) => moved(span, by)),
      },
    }),
    ...(pooled !== undefined && {
      hidden: {
        layers: [pooled],
        pool: spans.slice(chunks.start, chunks.end).map((span) => moved(span, -rows)),
      },
    }),
  };
}

interface Computed {
  readonly segment: Segment;
  readonly part: Part;
  readonly result: ForwardResult;
  readonly joined: readonly JoinedSpans[];
  readonly captured: readonly CapturedCut[];
  readonly computeMs: number;
}

function chunksOf(
  options: EncodeDocumentOptions,
  { segment, part, result, joined, captured, computeMs }: Computed,
): EncodedDocumentChunk[] {
  const { model, spans = [], statistics } = options;
  const seen = seenBy(spans, segment, part.chunks.end);
  const first = seen[0]?.chunk ?? segment.chunks.start;
  const columns = statistics && columnsOf(options, segment, seen, result, joined);
  let own = 0;
  for (const { tokens } of joined) own += lengthOf(tokens);
  return joined.map(({ spans: numbers, tokens }, i) => {
    const { kv, suffixAttention } = captured[i] ?? {};
    const pooled =
      result.hidden && pooledOf(result.hidden.values, model.width, spans, part, numbers);
    const rows = moved(tokens, -part.rows);
    const chunk = numbers.start;
    return {
      number: chunk,
      tokens,
      warmup: { start: segment.tokens.start, end: tokens.start },
      saw: { start: first, end: chunk },
      ...(kv && { kv }),
      ...(columns && {
        statistics: statisticsOf({
          ...columns,
          rows,
          chunk,
          ...(suffixAttention && withSuffixRows(columns, rows, chunk, suffixAttention)),
        }),
      }),
      ...(pooled && { pooled }),
      computeMs: (computeMs * lengthOf(tokens)) / own,
    };
  });
}

/** Masses on chunks; where spans are joined, an overlap's are those on the earlier chunks that it shows. */
function columnsOf(
  { prefix, join, earlier = [] }: EncodeDocumentOptions,
  segment: Segment,
  seen: readonly SeenChunkSpan[],
  { attention }: ForwardResult,
  joined: readonly JoinedSpans[],
): SeenColumns {
  const [group] = attention ?? [];
  if (!group?.bySpan) throw new ComputeError('The engine gave no attention.');
  const by = prefix.length - segment.tokens.start;
  const entries = seen.map(({ chunk, span }): SeenSpan => ({ chunk, entries: moved(span, by) }));
  if (!join) return spanColumns(group.bySpan, group.layers, entries);
  const { start } = segment.chunks;
  const first = seen[0]?.chunk ?? start;
  const firsts = first < start ? [first, ...earlier.filter((i) => i > first && i < start)] : [];
  const before = firsts.map((from, i) => ({ start: from, end: firsts[i + 1] ?? start }));
  const groups = [...before, ...joined.map(({ spans }) => spans)];
  return joinedColumns(group.bySpan, group.layers, entries, groups);
}

/** Mean over the tokens of spans, from the means over each. */
function pooledOf(
  values: Float32Array,
  width: number,
  spans: readonly Span[],
  { chunks }: Part,
  { start, end }: Span,
): Float32Array {
  const at = (start - chunks.start) * width;
  if (end === start + 1) return values.slice(at, at + width);
  const mean = new Float64Array(width);
  const all = (spans[end - 1]?.end ?? 0) - (spans[start]?.start ?? 0);
  for (let i = start; i < end; i++) {
    const share = lengthOf(spans[i]) / all;
    const row = (i - chunks.start) * width;
    for (let k = 0; k < width; k++) (mean[k] as number) += share * (values[row + k] as number);
  }
  return Float32Array.from(mean);
}

/** A chunk's number and what of its tokens is seen. */
interface SeenChunkSpan {
  readonly chunk: number;
  readonly span: Span;
}

/** The chunks before `end` that a segment's tokens hold, whole or in part, the overlap's included. */
function seenBy(spans: readonly Span[], { tokens, chunks }: Segment, end: number): SeenChunkSpan[] {
  let first = chunks.start;
  while (first > 0 && (spans[first - 1]?.end ?? 0) > tokens.start) first--;
  return spans.slice(first, end).map(({ start, end }, i) => ({
    chunk: first + i,
    span: { start: Math.max(start, tokens.start), end },
  }));
}

/** Row `i` tells the loss of token `i + 1`. */
function ownLosses(losses: Float32Array, segment: Segment, spans: readonly Span[]): Float32Array {
  const first = (spans[segment.chunks.start]?.start ?? 0) - segment.tokens.start;
  const own = new Float32Array(lengthOf(segment.tokens) - first);
  for (let i = 0; i < own.length; i++) own[i] = losses[first + i - 1] ?? NaN;
  return own;
}

/** Spans for a document that nobody has cut yet. */
function parts(length: number): Span[] {
  const size = 256;
  return Array.from({ length: Math.ceil(length / size) }, (_, i) => ({
    start: i * size,
    end: Math.min(length, (i + 1) * size),
  }));
}

function moved({ start, end }: Span, by: number): Span {
  return { start: start + by, end: end + by };
}

function lengthOf(span: Span | undefined): number {
  return span ? span.end - span.start : 0;
}
