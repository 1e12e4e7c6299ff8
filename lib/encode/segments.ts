import type { Span } from '../engine/arena.js';
import { InvalidArgumentError } from '../errors.js';

export interface SegmentOptions {
  /** Most tokens of a segment without its overlap; default 2,048. A longer chunk is a segment of its own. */
  readonly maxTokens?: number;
  /** Fewest tokens of one, unless the document ends; default half of the most. */
  readonly minTokens?: number;
  /** Tokens before a segment that are computed again with it, so that its first chunk sees them; default 256. */
  readonly overlap?: number;
}

/** A part of a document that is computed in one go, from nothing but the canonical prefix. */
export interface Segment {
  /** Tokens that are computed: the overlap, then the segment's own. */
  readonly tokens: Span;
  /** Numbers of the chunks that are cut out of it. */
  readonly chunks: Span;
}

/** Tokens at a chunk's beginning that say whether a segment may begin there. */
const anchorTokens = 16;
/** One chunk in so many may begin a segment. */
const anchorEvery = 3;

/**
 * Divides a document into segments that begin with chunks. Where one begins follows from the text that begins there
 * (content-defined), so that an edit moves few borders: those of its neighbourhood, until the next anchor.
 *
 * The KV of a chunk is a function of its segment's tokens alone, whatever else of the document is computed and when.
 *
 * @param spans tokens of each chunk, in order; they may overlap.
 * @throws InvalidArgumentError for options that cannot be, or spans out of order.
 */
export function segmentsOf(
  tokens: Int32Array,
  spans: readonly Span[],
  options: SegmentOptions = {},
): Segment[] {
  const { maxTokens, minTokens, overlap } = checked(options);
  checkSpans(tokens, spans);
  const segments: Segment[] = [];
  let first = 0;
  const close = (end: number): void => {
    const start = spans[first]?.start ?? 0;
    const covered = { start: Math.max(0, start - overlap), end: spans[end - 1]?.end ?? 0 };
    segments.push({ tokens: covered, chunks: { start: first, end } });
    first = end;
  };
  for (const [i, span] of spans.entries()) {
    if (i === first) continue;
    const own = span.start - (spans[first]?.start ?? 0);
    const isFull = span.end - (spans[first]?.start ?? 0) > maxTokens;
    if (isFull || (own >= minTokens && isAnchor(tokens, span))) close(i);
  }
  if (first < spans.length) close(spans.length);
  return segments;
}

function checked({
  maxTokens = 2048,
  minTokens = maxTokens >> 1,
  overlap = 256,
}: SegmentOptions): Required<SegmentOptions> {
  for (const [name, value, least] of [
    ['maxTokens', maxTokens, 1],
    ['minTokens', minTokens, 0],
    ['overlap', overlap, 0],
  ] as const) {
    if (Number.isSafeInteger(value) && value >= least) continue;
    throw new InvalidArgumentError(
      `segmentsOf: ${name} is ${value}; give a whole number of at least ${least}.`,
    );
  }
  return { maxTokens, minTokens, overlap };
}

function checkSpans(tokens: Int32Array, spans: readonly Span[]): void {
  let last = { start: -1, end: 0 };
  for (const [i, span] of spans.entries()) {
    const { start, end } = span;
    const isWhole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
    if (isWhole && start > last.start && end >= last.end && start < end && end <= tokens.length) {
      last = span;
      continue;
    }
    throw new InvalidArgumentError(
      `segmentsOf: span ${i} is ${start} to ${end} of ${tokens.length} tokens; spans must be in order, not empty, and within them.`,
    );
  }
}

/** FNV-1a over the first tokens: cheap, and the same everywhere. */
function isAnchor(tokens: Int32Array, { start, end }: Span): boolean {
  let hash = 0x811c9dc5;
  for (let i = start; i < Math.min(end, start + anchorTokens); i++) {
    let token = tokens[i] as number;
    for (let byte = 0; byte < 4; byte++) {
      hash = Math.imul(hash ^ (token & 0xff), 0x01000193);
      token >>>= 8;
    }
  }
  // The low bits of FNV alone are poor.
  return ((hash ^ (hash >>> 15)) >>> 0) % anchorEvery === 0;
}
