import type { KvSequence, Span } from '../engine/arena.js';
import type { PassageView } from '../reuse/policy.js';
import type { RefreshTarget } from '../reuse/refresh/target.js';
import { chunkOf } from '../store/chunk-key.js';
import type { WeaveKit } from './kit.js';
import type { Obtained } from './kv-library.js';
import type { PreparedPrompt } from './prepare.js';

/** A sequence that holds prefix and passages, ready for the question. */
export interface Woven {
  readonly sequence: KvSequence;
  /** Entries of each passage. */
  readonly spans: readonly Span[];
  /** What stands there, passage by passage. */
  readonly obtained: readonly Obtained[];
}

/** What is to be repaired and asked. */
export function refreshTarget(
  { engine }: Pick<WeaveKit, 'engine'>,
  prompt: PreparedPrompt,
  { sequence, spans, obtained }: Woven,
): RefreshTarget {
  const passages = prompt.hits.map(({ chunk }, i): PassageView => {
    const { key, tokens } = prompt.wanted[i] as (typeof prompt.wanted)[0];
    const { record, cached } = obtained[i] as Obtained;
    const { context, details } = record;
    return {
      chunkId: chunk.id,
      documentId: chunk.documentId,
      key: chunkOf(key),
      tokens,
      position: prompt.passages[i]?.start ?? 0,
      // Right after the prefix a passage stands where it stood when it was encoded, unless more was before it then.
      exact: i === 0 && obtained[i]?.key === chunkOf(key) && !context,
      cached,
      ...(context && { context }),
      ...(details !== undefined && { details }),
    };
  });
  const question = prompt.tokens.slice(prompt.question.start, prompt.question.end);
  return { model: engine.model, sequence, spans, passages, question };
}
