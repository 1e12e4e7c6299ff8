import { ComputeError } from '../../errors.js';
import type { LogitsResult } from '../../engine/forward.js';
import type { WeaveKit } from '../kit.js';
import { distanceOf, type RowDistance } from './kept-row.js';
import type { ShadowJob } from './sample.js';

/** Tokens of the answer computed at once: rows of logits are large. */
const stride = 16;

/**
 * Computes a prompt and its answer from the first token and compares each row.
 * @throws what the engine throws, or the signal's reason
 */
export async function checkAnswer(
  { arena, cells, engine }: Pick<WeaveKit, 'arena' | 'cells' | 'engine'>,
  { prompt, answer, rows }: ShadowJob,
  signal: AbortSignal,
): Promise<RowDistance[]> {
  const { vocabSize } = engine.model;
  const lease = await cells.acquire(prompt.length + answer.length, signal);
  try {
    using sequence = arena.createSequence();
    const distances: RowDistance[] = [];
    const compare = (logits: LogitsResult | undefined): void => {
      if (!logits) throw new ComputeError('The engine gave no logits for an answer.');
      const { values } = logits;
      for (let at = 0; at < values.length; at += vocabSize) {
        const row = rows[distances.length];
        if (row) distances.push(distanceOf(row, values.subarray(at, at + vocabSize)));
      }
    };
    compare((await sequence.append(prompt, { signal })).logits);
    for (let at = 0; at < answer.length; at += stride) {
      const tokens = answer.slice(at, at + stride);
      compare((await sequence.append(tokens, { logits: 'all', signal })).logits);
    }
    return distances;
  } finally {
    lease.release();
  }
}
