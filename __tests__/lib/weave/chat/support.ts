import type { FakeEngine } from '../../../../lib/testing/index.js';
import { largestDifference } from '../../../support/logits-watch.js';
import { indexedWeave } from '../support.js';

/** A weave over the test documents with few words around passages, so that long conversations are short. */
export function chatWeave({ fake, ...options }: Parameters<typeof indexedWeave>[0] = {}) {
  return indexedWeave({
    system: '',
    prompt: { instructions: 'P:', separator: ' ', question: (asked) => `Q: ${asked}` },
    maxTokens: 4,
    fake: { layers: 2, ...fake },
    ...options,
  });
}

/** How far the logits that an answer began with are from those of a plain prefill of the same tokens. */
export async function distanceFromPrefill(
  engine: FakeEngine,
  tokens: Int32Array,
  row: Float32Array,
): Promise<number> {
  await using arena = await engine.createArena({ cells: tokens.length });
  using sequence = arena.createSequence();
  const { logits } = await sequence.append(tokens);
  return largestDifference(row, logits!.values);
}
