import type { KvSequence } from '../engine/arena.js';
import type { Span } from '../engine/span.js';
import type { PassageView } from '../reuse/policy.js';
import type { RefreshTarget } from '../reuse/refresh/target.js';
import { chunkOf } from '../store/chunk-key.js';
import type { WeaveKit } from './kit.js';
import type { Obtained } from './kv-library.js';
import type { PreparedPrompt } from './prepare.js';

/** A sequence that holds prefix and passages, ready for the question. */
export interface Woven {
  readonly sequence: KvSequence;
  /** Entries of each passage, and of each that stands there again. */
  readonly spans: readonly Span[];
  /** What stands there, passage by passage. */
  readonly obtained: readonly Obtained[];
}

/** What is to be repaired and asked. */
export function refreshTarget(
  { engine, costs }: Pick<WeaveKit, 'engine' | 'costs'>,
  prompt: PreparedPrompt,
  { sequence, spans, obtained }: Woven,
): RefreshTarget {
  const { hits, positions } = prompt;
  const passages = placesOf(prompt).map(({ start }, i): PassageView => {
    const number = i % hits.length;
    const { chunk } = hits[number] as (typeof hits)[0];
    const { key, tokens } = prompt.wanted[number] as (typeof prompt.wanted)[0];
    const { key: found, record, cached } = obtained[number] as Obtained;
    const { context, details } = record;
    const position = positions[start] ?? 0;
    return {
      chunkId: chunk.id,
      documentId: chunk.documentId,
      key: chunkOf(key),
      tokens,
      position,
      // Right after the prefix a passage stands where it stood when it was encoded, unless more was before it then.
      exact: position === prompt.prefix.end && found === chunkOf(key) && !context,
      // What stands there again was made for the first time it does.
      cached: cached || i >= hits.length,
      ...(context && { context }),
      ...(details !== undefined && { details }),
    };
  });
  const tokens = (span: Span) => prompt.tokens.slice(span.start, span.end);
  const { earlier } = prompt;
  return {
    model: engine.model,
    sequence,
    spans,
    passages,
    question: tokens(prompt.question),
    ...(costs.msPerToken !== undefined && { msPerToken: costs.msPerToken }),
    ...(earlier && {
      earlier: { tokens: tokens(earlier), positions: positions.slice(earlier.start, earlier.end) },
    }),
  };
}

/** Where passages stand, in the order of their positions. */
export function placesOf({ passages, again }: PreparedPrompt): Span[] {
  return [...passages, ...again];
}
