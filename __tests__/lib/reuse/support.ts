import type { KvArena, KvSequence } from '../../../lib/engine/arena.js';
import type { Span } from '../../../lib/engine/span.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import type { PassageView } from '../../../lib/index.js';
import type { RefreshTarget } from '../../../lib/reuse/refresh/target.js';
import { seededInteger, seededRandom } from '../../../lib/random.js';

export const engine = new FakeEngine({ layers: 6 });

export interface WovenOptions {
  /** Default {@link engine}. */
  readonly on?: FakeEngine;
  /** Tokens of the question; default 7. */
  readonly questionTokens?: number;
  /** All passages of one size are the same chunk; default false. */
  readonly same?: boolean;
}

/** A prefix and passages that were each encoded after it alone, spliced one after another; the first one is exact. */
export async function wovenTarget(
  sizes: readonly number[],
  seed = 1,
  { on = engine, questionTokens = 7, same = false }: WovenOptions = {},
): Promise<{ readonly target: RefreshTarget; readonly arena: KvArena }> {
  const random = seededRandom(seed);
  const tokens = (count: number): Int32Array =>
    Int32Array.from({ length: count }, () => 20 + seededInteger(random, 200));
  const arena = await on.createArena({ cells: 2000 });
  const prefix = arena.createSequence();
  await prefix.append(tokens(5), { logits: 'none' });
  const sequence: KvSequence = prefix.fork();
  const spans: Span[] = [];
  const passages: PassageView[] = [];
  for (const [i, size] of sizes.entries()) {
    const twin = same && passages.find((passage) => passage.tokens.length === size);
    const run = twin ? twin.tokens : tokens(size);
    const own = prefix.fork();
    if (size > 0) await own.append(run, { logits: 'none' });
    const position = sequence.length;
    const kv = await own.capture({ start: prefix.length, end: own.length });
    own.dispose();
    spans.push(await sequence.splice(kv, { position }));
    passages.push({
      chunkId: twin ? twin.chunkId : `doc#${i}`,
      documentId: 'doc',
      tokens: run,
      position,
      exact: i === 0,
      cached: true,
    });
  }
  const question = tokens(questionTokens);
  return { target: { model: on.model, sequence, spans, passages, question }, arena };
}

/** The same target again, so that two ways of going on do not see each other. */
export function forked(target: RefreshTarget): RefreshTarget {
  return { ...target, sequence: target.sequence.fork() };
}
