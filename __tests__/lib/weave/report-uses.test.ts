import { afterEach, expect, test } from '@jest/globals';
import {
  type ChunkStore,
  memoryStore,
  type RecomputePolicy,
  reusePolicy,
  tieredStore,
} from '../../../lib/index.js';
import type { EvictionPolicy, EvictionUse } from '../../../lib/store/eviction/policy.js';
import { disposeAll, indexedWeave, question, testWeave } from './support.js';

afterEach(disposeAll);

/** Computes all of one document's passages again, and half of the first passage of the others. */
function repairing(documentId: string): RecomputePolicy {
  return {
    name: 'repairing',
    plan: ({ passages }) => ({
      policy: 'repairing',
      passages: passages.map(({ documentId: id, tokens }, passage) => ({
        passage,
        tokens: Int32Array.from(
          { length: id === documentId ? tokens.length : tokens.length >> 1 },
          (_, token) => token,
        ),
        reason: 'they are said to need it',
      })),
    }),
  };
}

/** A store over one that evicts by reuse, and what that one is told. */
function watched() {
  const reported = new Map<string, EvictionUse[]>();
  const policies: EvictionPolicy[] = [];
  const eviction = (): EvictionPolicy => {
    const policy = reusePolicy();
    const touch = (key: string, use?: EvictionUse) => {
      policy.touch(key, use);
      if (use?.fixOverhead !== undefined) reported.set(key, [...(reported.get(key) ?? []), use]);
    };
    policies.push(policy);
    return { ...policy, touch };
  };
  const memory = memoryStore({ eviction });
  return { memory, store: tieredStore([memory]), reported, policy: policies[0]! };
}

test('an answer tells the store what share of each record had to be computed again', async () => {
  const { memory, store, reported, policy } = watched();
  const damaged = 'museum.md';
  const { weave } = await indexedWeave({ store, policy: repairing(damaged) });
  const first = await weave.ask(question);
  await store.flush();
  // What was made for this very question was not reused.
  expect(first.sources.some(({ cached }) => cached)).toBe(false);
  expect(reported.size).toBe(0);

  const second = await weave.ask(question);
  await store.flush();
  const passages = second.sources.length;
  expect(second.sources.filter(({ cached }) => cached).length).toBe(passages);
  expect(reported.size).toBe(passages);
  const documentOf = new Map<string, string>();
  for (const [key, uses] of reported) {
    const info = (await memory.info(key))!;
    documentOf.set(key, info.source!.documentId);
    const { length } = info.tokens;
    const share = info.source!.documentId === damaged ? 1 : (length >> 1) / length;
    expect(uses).toEqual([{ fixOverhead: share, isCounted: true }]);
  }
  expect(new Set(documentOf.values()).size).toBe(2);

  // Used as often, and later at that, but of no use: it goes first.
  const isKept = (key: string) => !reported.has(key);
  expect(documentOf.get(policy.victim(isKept)!)).toBe(damaged);
});

test('a store that fails to take note of it does not fail the answer', async () => {
  for (const used of [
    () => Promise.reject(new Error('down')),
    () => {
      throw new Error('down at once');
    },
  ]) {
    const store: ChunkStore = memoryStore();
    store.used = used;
    const { weave } = await indexedWeave({ store });
    await weave.ask(question);
    expect((await weave.ask(question)).finishReason).not.toBe('nothing-found');
  }
  const store: ChunkStore = memoryStore();
  (store as { used?: unknown }).used = undefined;
  const { weave } = await testWeave({ store });
  await weave.ingest([{ id: 'a', text: 'A lighthouse keeper kept a harbour.' }]);
  expect((await weave.ask(question)).sources[0]).toMatchObject({ cached: true });
});
