import type { KvSequence, Span } from '../engine/arena.js';
import type { PassageView } from '../reuse/policy.js';
import type { RefreshTarget } from '../reuse/refresh/target.js';
import type { WeaveKit } from './kit.js';
import type { PreparedPrompt } from './prepare.js';

/** A sequence that holds prefix and passages, ready for the question. */
export interface Woven {
  readonly sequence: KvSequence;
  /** Entries of each passage. */
  readonly spans: readonly Span[];
  readonly cached: readonly boolean[];
}

/** What is to be repaired and asked. */
export function refreshTarget(
  { engine }: Pick<WeaveKit, 'engine'>,
  prompt: PreparedPrompt,
  { sequence, spans, cached }: Woven,
): RefreshTarget {
  const passages = prompt.hits.map(({ chunk }, i): PassageView => ({
    chunkId: chunk.id,
    documentId: chunk.documentId,
    ...(prompt.wanted[i] && { key: prompt.wanted[i].key }),
    tokens: prompt.wanted[i]?.tokens ?? new Int32Array(0),
    position: prompt.passages[i]?.start ?? 0,
    // Right after the prefix a passage stands where it stood when it was encoded.
    exact: i === 0,
    cached: cached[i] ?? false,
  }));
  const question = prompt.tokens.slice(prompt.question.start, prompt.question.end);
  return { model: engine.model, sequence, spans, passages, question };
}
