import type { KvSequence, Span } from '../engine/arena.js';
import type { ChunkKv } from '../engine/chunk-kv.js';
import type { ForwardOutputs, ForwardResult } from '../engine/forward.js';
import type { ModelInfo } from '../engine/model-info.js';
import { ComputeError } from '../errors.js';
import { type EncodingStatistics, statisticsOf } from './statistics.js';
import { type Segment, type SegmentOptions, segmentsOf } from './segments.js';

export interface EncodeDocumentOptions {
  readonly model: ModelInfo;
  /** The canonical prefix, computed before. It is forked, not changed. */
  readonly prefix: KvSequence;
  /** Tokens of the document as they are to be computed, for example its passages one after another. */
  readonly tokens: Int32Array;
  /** Tokens of each chunk, in order. Default: the document in parts, for its losses alone. */
  readonly spans?: readonly Span[];
  /** How the document is divided. */
  readonly segments?: SegmentOptions;
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
  readonly signal?: AbortSignal;
  /** Tokens computed so far, of how many, overlaps included. */
  readonly onProgress?: (done: number, total: number) => void;
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
  readonly computeMs: number;
}

export interface EncodedDocumentChunk {
  /** Its number in `spans`. */
  readonly number: number;
  /** Tokens of the document that it saw, beside the prefix. */
  readonly warmup: Span;
  /** Numbers of the chunks that it saw whole or in part. */
  readonly saw: Span;
  readonly kv?: ChunkKv;
  readonly statistics?: EncodingStatistics;
  /** `[width]`. */
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
  const all = segmentsOf(tokens, spans, options.segments);
  const wanted = only ?? all.map((_, number) => number);
  let total = 0;
  for (const number of wanted) total += lengthOf(all[number]?.tokens);
  let done = 0;
  for (const number of wanted) {
    signal?.throwIfAborted();
    const segment = all[number];
    if (!segment) continue;
    yield await encodeSegment({ ...options, spans }, segment, number);
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
    const result = await sequence.append(run, {
      ...outputsOf(options, segment),
      ...(signal && { signal }),
    });
    const kvs: (ChunkKv | undefined)[] = [];
    for (let chunk = segment.chunks.start; chunk < segment.chunks.end; chunk++) {
      const span = moved(spans[chunk] as Span, prefix.length - segment.tokens.start);
      kvs.push(wantsKv ? await sequence.capture(span, signal ? { signal } : {}) : undefined);
    }
    const computeMs = performance.now() - start;
    return {
      number,
      segment,
      chunks: chunksOf(options, segment, result, kvs, computeMs),
      ...(result.losses && { losses: ownLosses(result.losses, segment, spans) }),
      computeMs,
    };
  } finally {
    sequence.dispose();
  }
}

/** What is asked of the pass. Chunks that the overlap shows only in part are spans of their own. */
function outputsOf(
  { model, prefix, spans = [], losses, statistics, pooled }: EncodeDocumentOptions,
  segment: Segment,
): ForwardOutputs {
  const { start } = segment.tokens;
  return {
    logits: 'none',
    ...(losses && { losses }),
    ...(statistics && {
      attention: {
        layers: model.probeLayers,
        perLayer: true,
        groups: [0],
        spans: seenBy(spans, segment).map(({ span }) => moved(span, prefix.length - start)),
      },
    }),
    ...(pooled !== undefined && {
      hidden: {
        layers: [pooled],
        pool: spans
          .slice(segment.chunks.start, segment.chunks.end)
          .map((span) => moved(span, -start)),
      },
    }),
  };
}

function chunksOf(
  { model, spans = [], statistics }: EncodeDocumentOptions,
  segment: Segment,
  result: ForwardResult,
  kvs: readonly (ChunkKv | undefined)[],
  computeMs: number,
): EncodedDocumentChunk[] {
  const seen = seenBy(spans, segment);
  const first = seen[0]?.chunk ?? segment.chunks.start;
  const attention = result.attention?.[0];
  if (statistics && !attention?.bySpan) throw new ComputeError('The engine gave no attention.');
  let own = 0;
  for (const span of spans.slice(segment.chunks.start, segment.chunks.end)) own += lengthOf(span);
  return kvs.map((kv, i) => {
    const chunk = segment.chunks.start + i;
    const span = spans[chunk] as Span;
    const pooled = result.hidden?.values.slice(i * model.width, (i + 1) * model.width);
    return {
      number: chunk,
      warmup: { start: segment.tokens.start, end: span.start },
      saw: { start: first, end: chunk },
      ...(kv && { kv }),
      ...(attention?.bySpan && {
        statistics: statisticsOf({
          bySpan: attention.bySpan,
          layers: attention.layers,
          rows: moved(span, -segment.tokens.start),
          seen: seen.map(({ chunk: other, span: part }) => ({
            chunk: other,
            tokens: lengthOf(part),
          })),
          chunk,
        }),
      }),
      ...(pooled && { pooled }),
      computeMs: (computeMs * lengthOf(span)) / own,
    };
  });
}

/** The chunks that a segment's tokens hold, whole or in part, the overlap's included. */
function seenBy(
  spans: readonly Span[],
  { tokens, chunks }: Segment,
): { chunk: number; span: Span }[] {
  let first = chunks.start;
  while (first > 0 && (spans[first - 1]?.end ?? 0) > tokens.start) first--;
  return spans.slice(first, chunks.end).map(({ start, end }, i) => ({
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
