import { compareRows, type Json, mean } from '../../lib/evaluate/index.js';
import { type KvSequence, type Span, unpackStatistics } from '../../lib/index.js';
import { answerRows } from '../fidelity/answer-rows.js';
import type { EncodedPiece } from '../fidelity/encode.js';
import type { PreparedCase } from '../fidelity/lab.js';
import type { FidelityCase } from '../fidelity/prompts.js';

/** Passages that saw others when they were encoded, in the order of the prompt. */
export interface PassageImpacts extends Record<string, Json> {
  /** Cache context impact of each, from its attention statistics. */
  readonly cci: readonly number[];
  /** Mean KL over the answer's tokens when its stale KV stands among exact KV of everything else, nats. */
  readonly kl: readonly number[];
}

/**
 * What the stale KV of each passage alone does to the answer.
 * @param exact the full prefill of the prompt
 * @param spans of the passages in it
 */
export async function passageImpacts(
  exact: KvSequence,
  spans: readonly Span[],
  pieces: readonly EncodedPiece[],
  { reference, prompt }: PreparedCase,
  { ask, answer }: FidelityCase,
): Promise<PassageImpacts> {
  const cci: number[] = [];
  const kl: number[] = [];
  for (const [i, { kv, details }] of pieces.entries()) {
    const statistics = unpackStatistics(details);
    const span = spans[i];
    // Of a passage that was encoded first, CCI says nothing.
    if (!statistics || statistics.inter.length === 0 || !span) continue;
    using sequence = exact.fork(span.start);
    await sequence.splice(kv);
    const rest = { start: span.end, end: prompt.length - ask.length };
    if (rest.end > rest.start) sequence.adopt(exact, rest);
    const { logits } = await sequence.append(ask);
    const rows = await answerRows(sequence, logits?.values ?? new Float32Array(0), answer);
    cci.push(statistics.cci);
    kl.push(mean(compareRows(reference, rows).kl));
  }
  return { cci, kl };
}
