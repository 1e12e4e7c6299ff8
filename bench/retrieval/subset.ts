import type { Chunk } from '../../lib/index.js';
import { seededInteger, seededRandom } from '../../lib/random.js';
import type { Judge } from './judge.js';

/**
 * A smaller corpus, for what takes long a passage: every passage that adds to the answer of some question, and others by chance up
 * to `most`, in their old order. All arms search the same, so they compare; a smaller corpus is an easier one, so figures of
 * different sizes do not.
 */
export function subsetOf(
  chunks: readonly Chunk[],
  judges: readonly Judge[],
  { most, seed }: { readonly most: number; readonly seed: number },
): Chunk[] {
  const taken = new Set(
    chunks.filter((chunk) => judges.some((judge) => (judge.gains([chunk])[0] ?? 0) > 0)),
  );
  const others = chunks.filter((chunk) => !taken.has(chunk));
  const random = seededRandom(seed);
  while (taken.size < most && others.length > 0) {
    for (const other of others.splice(seededInteger(random, others.length), 1)) taken.add(other);
  }
  return chunks.filter((chunk) => taken.has(chunk));
}
