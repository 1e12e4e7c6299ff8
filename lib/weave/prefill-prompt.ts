import type { AppendRows, KvArena, KvSequence } from '../engine/arena.js';
import type { Span } from '../engine/span.js';
import type { ForwardResult } from '../engine/forward.js';
import type { PromptTokens } from '../prompt.js';

/** Computes a whole prompt into an empty sequence, nothing reused. @throws what the engine throws. */
export async function prefillPrompt(
  sequence: KvSequence,
  prompt: PromptTokens,
  signal: AbortSignal,
): Promise<ForwardResult> {
  if (prompt.layout === 'set') return prefillSet(sequence, prompt, signal);
  return sequence.append(prompt.tokens, { signal });
}

/** Passages that do not see each other are computed in sequences of their own, whose cells then join this one. */
async function prefillSet(
  sequence: KvSequence,
  { tokens, positions, prefix, passages, question }: PromptTokens,
  signal: AbortSignal,
): Promise<ForwardResult> {
  const { arena } = sequence;
  const of = ({ start, end }: Span) => ({
    tokens: tokens.slice(start, end),
    positions: positions.slice(start, end),
  });
  if (prefix.end > 0) await sequence.append(of(prefix).tokens, { logits: 'none', signal });
  const apart = passages.map((span): AppendRows => ({
    kind: 'append',
    sequence: sequence.fork(),
    ...of(span),
  }));
  try {
    await computeApart(arena, apart, signal);
    for (const { sequence: own } of apart) {
      sequence.adopt(own, { start: prefix.end, end: own.length });
    }
  } finally {
    for (const { sequence: own } of apart) own.dispose();
  }
  const asked = of(question);
  return sequence.append(asked.tokens, { positions: asked.positions, signal });
}

async function computeApart(
  arena: KvArena,
  groups: readonly AppendRows[],
  signal: AbortSignal,
): Promise<void> {
  if (groups.length > 0) await arena.forward(groups, { logits: 'none', signal });
}
