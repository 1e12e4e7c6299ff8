import type { AppendRows, KvArena, KvSequence, RunOptions } from '../engine/arena.js';
import type { ChunkKv } from '../engine/chunk-kv.js';

/**
 * Encodes several runs of tokens, each right after the same prefix and none in sight of another, in one
 * batch. Takes as many cells as they have tokens and gives all of them back.
 */
export async function encodeBatch(
  arena: KvArena,
  prefix: KvSequence,
  runs: readonly Int32Array[],
  options: RunOptions = {},
): Promise<ChunkKv[]> {
  const start = prefix.length;
  const groups = runs.map((tokens): AppendRows => ({
    kind: 'append',
    sequence: prefix.fork(),
    tokens,
  }));
  try {
    await arena.forward(groups, { ...options, logits: 'none' });
    const { signal } = options;
    const captures: ChunkKv[] = [];
    for (const { sequence } of groups) {
      const span = { start, end: sequence.length };
      captures.push(await sequence.capture(span, signal ? { signal } : {}));
    }
    return captures;
  } finally {
    for (const { sequence } of groups) sequence.dispose();
  }
}
