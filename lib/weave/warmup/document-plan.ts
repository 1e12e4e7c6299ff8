import type { Chunk } from '../../document.js';
import { type Segment, type SegmentOptions, segmentsOf } from '../../encode/segments.js';
import type { Span } from '../../engine/span.js';
import type { EncodingContext } from '../../store/chunk-store.js';
import { variantKey } from '../../store/chunk-key.js';
import type { Wanted } from '../kv-library.js';

/** A document's passages one after another, as they stand in prompts, and how they are encoded in each other's sight. */
export interface DocumentPlan {
  readonly tokens: Int32Array;
  /** Of each passage. */
  readonly spans: readonly Span[];
  readonly segments: readonly PlannedSegment[];
  /** By {@link Chunk.id}. */
  readonly chunks: ReadonlyMap<string, PlannedChunk>;
}

/** Passages whose KV comes out of one computation. */
export interface PlannedSegment {
  readonly plan: DocumentPlan;
  /** Its number in the document. */
  readonly number: number;
  /** Names its computation among all who share a store. No record is kept under it. */
  readonly name: string;
  /** How many are computed, the overlap's included. */
  readonly tokens: number;
  /** By their number in the document. */
  readonly chunks: ReadonlyMap<number, PlannedChunk>;
}

export interface PlannedChunk {
  /** The passage as it is found where nothing but the prefix was seen. */
  readonly own: Wanted;
  /** Absent where the segment is too long to be computed. */
  readonly segment?: PlannedSegment;
  /** Key of the KV that the segment gives: {@link own}'s where the passage sees nothing but the prefix. */
  readonly key: string;
  /** Absent where the passage sees nothing but the prefix. */
  readonly context?: EncodingContext;
}

export interface PlanOptions {
  readonly segments: SegmentOptions;
  /** Tokens that a computation may hold beside the prefix. */
  readonly room: number;
}

/** Says what is computed together and under which keys it is kept, without computing any of it. */
export async function planDocument(
  passages: readonly { readonly chunk: Chunk; readonly own: Wanted }[],
  { segments: size, room }: PlanOptions,
): Promise<DocumentPlan> {
  const { tokens, spans } = joined(passages.map(({ own }) => own.tokens));
  const segments: PlannedSegment[] = [];
  const chunks = new Map<string, PlannedChunk>();
  const plan: DocumentPlan = { tokens, spans, segments, chunks };
  for (const [number, segment] of segmentsOf(tokens, spans, size).entries()) {
    const count = segment.tokens.end - segment.tokens.start;
    const members = new Map<number, PlannedChunk>();
    const planned: PlannedSegment = {
      plan,
      number,
      name: await segmentName(plan, segment, passages),
      tokens: count,
      chunks: members,
    };
    for (let i = segment.chunks.start; i < segment.chunks.end; i++) {
      const { chunk, own } = passages[i] as (typeof passages)[0];
      const seen = count > room ? undefined : await variantOf(plan, segment, passages, i);
      const member = {
        own,
        key: own.key,
        ...seen,
        ...(count <= room && { segment: planned }),
      };
      members.set(i, member);
      chunks.set(chunk.id, member);
    }
    segments.push(planned);
  }
  return plan;
}

/** How a passage is named that was encoded behind the segment's tokens before it; undefined where there are none. */
async function variantOf(
  { tokens, spans }: DocumentPlan,
  segment: Segment,
  passages: readonly { readonly own: Wanted }[],
  index: number,
): Promise<Required<Pick<PlannedChunk, 'key' | 'context'>> | undefined> {
  const { start } = segment.tokens;
  const warmup = tokens.slice(start, spans[index]?.start);
  if (warmup.length === 0) return undefined;
  let first = index;
  while (first > 0 && (spans[first - 1] as Span).end > start) first--;
  const { key } = (passages[index] as (typeof passages)[0]).own;
  return {
    key: await variantKey(key, { warmup }),
    // Every token before it belongs to a passage: the whole text goes by their keys.
    context: { chunks: passages.slice(first, index).map(({ own }) => own.key), warmupTokens: 0 },
  };
}

/** The key of no record: nothing is encoded after itself. */
function segmentName(
  { tokens }: DocumentPlan,
  { tokens: { start, end }, chunks }: Segment,
  passages: readonly { readonly own: Wanted }[],
): Promise<string> {
  const { key } = (passages[chunks.end - 1] as (typeof passages)[0]).own;
  return variantKey(key, { warmup: tokens.slice(start, end), chunks: [key] });
}

function joined(runs: readonly Int32Array[]): { tokens: Int32Array; spans: Span[] } {
  let length = 0;
  const spans = runs.map((run): Span => ({ start: length, end: (length += run.length) }));
  const tokens = new Int32Array(length);
  for (const [i, run] of runs.entries()) tokens.set(run, spans[i]?.start);
  return { tokens, spans };
}
