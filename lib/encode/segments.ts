import type { Span } from '../engine/span.js';
import { InvalidArgumentError } from '../errors.js';

export interface SegmentOptions {
  /** Most tokens of a segment without its overlap; default 2,048. A longer chunk is a segment of its own. */
  readonly maxTokens?: number;
  /**
   * A segment begins with a chunk whose beginning ranks before that of all chunks within so many tokens; default 7/16 of
   * the most, which makes segments of some two thirds of the most. Shorter ones come about only where what was too long
   * could not be divided otherwise, and in a document that is shorter.
   */
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

/** Tokens at a chunk's beginning that its rank is a hash of. */
const rankedTokens = 16;

/**
 * Divides a document into segments that begin with chunks. A segment begins where the rank of a chunk, a hash of its first
 * tokens, is the least among those within {@link SegmentOptions.minTokens}; what is still too long is divided at its least
 * ranks. So a border follows from the text around it and not from any border before it: an edit moves borders within some
 * `minTokens` of it, or within the one stretch that was too long, and no others, however long the document is.
 *
 * The KV of a chunk is a function of its segment's tokens up to its own end, whatever else of the document is computed
 * and when.
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
  const ranks = Float64Array.from(spans, (span) => rankOf(tokens, span));
  const anchors = anchorsOf(spans, ranks, Math.max(1, minTokens));
  const firsts = anchors.flatMap((first, i) =>
    divided(
      spans,
      ranks,
      { start: first, end: anchors[i + 1] ?? spans.length },
      { maxTokens, minTokens },
    ),
  );
  return firsts.map((first, i) => {
    const end = firsts[i + 1] ?? spans.length;
    const start = Math.max(0, (spans[first]?.start ?? 0) - overlap);
    return { tokens: { start, end: spans[end - 1]?.end ?? 0 }, chunks: { start: first, end } };
  });
}

/**
 * Numbers of the first chunk, and of those that rank before all that begin less than `reach` tokens away, and are not nearer
 * to the document's ends.
 */
function anchorsOf(spans: readonly Span[], ranks: Float64Array, reach: number): number[] {
  if (spans.length === 0) return [];
  const startOf = (i: number): number => (spans[i] as Span).start;
  const anchors = [0];
  const first = startOf(0);
  const end = (spans.at(-1) as Span).end;
  // Chunks of the window behind the one that is looked at, each ranking before those after it: the first is the least.
  const window: number[] = [];
  let head = 0;
  let ahead = 1;
  for (let i = 1; i < spans.length; i++) {
    for (; ahead < spans.length && startOf(ahead) - startOf(i) < reach; ahead++) {
      while (
        window.length > head &&
        (ranks[window.at(-1) as number] as number) > (ranks[ahead] as number)
      ) {
        window.pop();
      }
      window.push(ahead);
    }
    while (startOf(i) - startOf(window[head] as number) >= reach) head++;
    const isInside = startOf(i) - first >= reach && end - startOf(i) >= reach;
    if (isInside && window[head] === i) anchors.push(i);
  }
  return anchors;
}

interface Sizes {
  readonly maxTokens: number;
  readonly minTokens: number;
}

/** First chunks of what a stretch of chunks is divided into, so that nothing is too long that need not be. */
function divided(
  spans: readonly Span[],
  ranks: Float64Array,
  { start, end }: Span,
  sizes: Sizes,
): number[] {
  const firsts: number[] = [];
  const open: Span[] = [{ start, end }];
  for (let part = open.pop(); part; part = open.pop()) {
    const border = borderIn(spans, ranks, part, sizes);
    if (border === undefined) firsts.push(part.start);
    else open.push({ start: border, end: part.end }, { start: part.start, end: border });
  }
  return firsts;
}

/**
 * The chunk of least rank that leaves enough on both sides, or the one nearest to the middle where none does; undefined where
 * nothing is too long.
 */
function borderIn(
  spans: readonly Span[],
  ranks: Float64Array,
  { start, end }: Span,
  { maxTokens, minTokens }: Sizes,
): number | undefined {
  const from = (spans[start] as Span).start;
  const to = (spans[end - 1] as Span).end;
  if (to - from <= maxTokens) return undefined;
  let best: number | undefined;
  let least = Infinity;
  for (let i = start + 1; i < end; i++) {
    const at = (spans[i] as Span).start;
    const isEnough = at - from >= minTokens && to - at >= minTokens;
    // Ranks are below this, so what leaves enough comes first.
    const cost = isEnough ? (ranks[i] as number) : 2 ** 32 + Math.abs(at - from - (to - at));
    if (cost >= least) continue;
    best = i;
    least = cost;
  }
  return best;
}

function checked({
  maxTokens = 2048,
  minTokens = Math.floor((7 * maxTokens) / 16),
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

/** FNV-1a over the first tokens, finished: cheap, and the same everywhere. */
function rankOf(tokens: Int32Array, { start, end }: Span): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < Math.min(end, start + rankedTokens); i++) {
    let token = tokens[i] as number;
    for (let byte = 0; byte < 4; byte++) {
      hash = Math.imul(hash ^ (token & 0xff), 0x01000193);
      token >>>= 8;
    }
  }
  // The low bits of FNV alone are poor.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
