import { afterEach, expect, test } from '@jest/globals';
import { type ChunkStore, memoryStore, StoreError } from '../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../lib/testing/index.js';
import { disposeAll, documents, question, testWeave } from './support.js';

afterEach(disposeAll);

const [harbour, museum] = documents as [(typeof documents)[0], (typeof documents)[0]];

async function keysOf(store: ChunkStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list()) keys.push(key);
  return keys;
}

/** Keys of the passages of a document. */
async function keysFrom(store: ChunkStore, documentId: string): Promise<string[]> {
  const keys: string[] = [];
  for (const key of await keysOf(store)) {
    if ((await store.info(key))?.source?.documentId === documentId) keys.push(key);
  }
  return keys;
}

test('a document that takes the place of another leaves nothing of the text that went', async () => {
  const store = memoryStore();
  const { weave } = await testWeave({ store });
  await weave.ingest(documents);
  const [first, second, third] = await keysFrom(store, 'harbour.md');
  // Variants of another passage: one attended to what goes, one to what stays.
  const [stays] = await keysFrom(store, 'museum.md');
  const variant = (number: number) => `${stays}.${sampleKey(number).slice(32)}`;
  for (const [i, key] of [first, second, third].entries()) {
    const context = { chunks: [key as string], warmupTokens: 0 };
    await store.put(variant(i), { ...sampleRecord(), context });
  }
  const before = (await store.stats()).records;

  const paragraphs = harbour.text.split('\n\n');
  const text = [paragraphs[0], 'Ambrose Finch keeps the lighthouse now.', paragraphs[2]].join(
    '\n\n',
  );
  const report = await weave.ingest([{ ...harbour, text }], { budget: { milliseconds: 0 } });
  expect(report).toMatchObject({ replaced: ['harbour.md'], undeleted: 0 });
  const kept = await keysFrom(store, 'harbour.md');
  expect(kept.length).toBeLessThan(3);
  expect(kept.length).toBeGreaterThan(0);
  expect(before - (await store.stats()).records).toBe(2 * (3 - kept.length));
  for (const [i, key] of [first, second, third].entries()) {
    expect(await store.has(variant(i))).toBe(kept.includes(key as string));
  }
});

test('removing deletes what attended to the passages, but keeps what another document has too', async () => {
  const store = memoryStore();
  const { weave } = await testWeave({ store });
  await weave.ingest([harbour, museum, { ...harbour, id: 'copy.md' }]);
  const [key] = await keysFrom(store, 'harbour.md');
  const reader = sampleKey(77, 1);
  const context = { chunks: [key as string], warmupTokens: 0 };
  await store.put(reader, { ...sampleRecord(), context });
  await weave.remove(['harbour.md']);
  expect(await store.has(reader)).toBe(true);
  await weave.remove(['copy.md']);
  expect(await store.has(reader)).toBe(false);
  expect(await store.has(key as string)).toBe(false);
  expect(await keysFrom(store, 'museum.md')).toHaveLength(3);
});

test('an answer that is under way leaves nothing of a document that is removed meanwhile', async () => {
  const store = memoryStore();
  const { weave } = await testWeave({ store, fake: { latency: { perRow: 0.3 } } });
  await weave.ingest([harbour], { budget: { milliseconds: 0 } });
  const stream = weave.stream(question);
  let removed: Promise<boolean[]> | undefined;
  for await (const { type } of stream) {
    if (type === 'retrieved') removed = weave.remove(['harbour.md']);
  }
  expect((await stream.answer).text.length).toBeGreaterThan(0);
  expect(await removed).toEqual([true]);
  await weave.ingest([museum], { budget: { milliseconds: 0 } });
  await weave.warm();
  expect(await keysFrom(store, 'harbour.md')).toEqual([]);
  // What comes back is kept again.
  await weave.ingest([harbour]);
  expect(await keysFrom(store, 'harbour.md')).toHaveLength(3);
});

test('what a store could not delete is told, and deleted with the next change', async () => {
  const store = memoryStore();
  const { weave } = await testWeave({ store });
  await weave.ingest(documents);
  const list = store.list.bind(store);
  store.list = () => {
    throw new StoreError('a part of it is down.');
  };
  const replaced = await weave.ingest([{ id: 'harbour.md', text: 'Nothing is left of it.' }]);
  expect(replaced.undeleted).toBe(3);
  const removed = weave.remove(['museum.md']);
  await expect(removed).rejects.toBeInstanceOf(StoreError);
  await expect(removed).rejects.toThrow(/of 6 passages.*a part of it is down/);
  expect(await weave.stats()).toMatchObject({ documents: 1 });
  store.list = list;
  expect(await keysFrom(store, 'museum.md')).toHaveLength(3);
  expect(await weave.remove(['nobody.md'])).toEqual([false]);
  expect(await keysFrom(store, 'museum.md')).toEqual([]);
  expect(await keysFrom(store, 'harbour.md')).toHaveLength(1);
});

test('an ingest that fails deletes what it replaced before', async () => {
  const store = memoryStore();
  const { weave } = await testWeave({ store });
  await weave.ingest(documents);
  const failing = [
    { id: 'harbour.md', text: 'Nothing is left of it.' },
    { id: '', text: 'x' },
  ];
  await expect(weave.ingest(failing)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(await keysFrom(store, 'harbour.md')).toEqual([]);
  expect(await keysFrom(store, 'museum.md')).toHaveLength(3);
});
