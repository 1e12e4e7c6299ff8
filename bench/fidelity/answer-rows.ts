import type { LogitRows } from '../../lib/evaluate/index.js';
import type { KvSequence } from '../../lib/index.js';

/**
 * Logits after each token of an answer but its last. The sequence grows by them.
 * @param first after the prompt
 */
export async function answerRows(
  sequence: KvSequence,
  first: Float32Array,
  answer: Int32Array,
): Promise<LogitRows> {
  const vocabSize = first.length;
  const values = new Float32Array(answer.length * vocabSize);
  values.set(first);
  if (answer.length > 1) {
    const { logits } = await sequence.append(answer.slice(0, -1), { logits: 'all' });
    values.set(logits?.values ?? [], vocabSize);
  }
  return { values, vocabSize };
}
