import { afterEach, expect, test } from '@jest/globals';
import { type ChunkStore, type Document, memoryStore } from '../../../lib/index.js';
import {
  book,
  closeAll,
  edited,
  isVariant,
  nothing,
  ownKeys,
  paragraph,
  plenty,
  recordsOf,
  warmWeave,
} from './warmup-support.js';

afterEach(closeAll);

const guide = book('guide.md', 12);
const notes = book('notes.md', 6);

/** Keys of records that were made from a text, or in its sight. */
async function tracesOf(store: ChunkStore, keys: readonly string[]): Promise<string[]> {
  const traces: string[] = [];
  for (const [key, { context }] of await recordsOf(store)) {
    const from = [key.slice(0, 64), ...(context?.chunks ?? [])];
    if (from.some((one) => keys.includes(one))) traces.push(key);
  }
  return traces;
}

test('after a removal nothing that attended to the text is in the store', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store });
  await weave.ingest([guide, notes], nothing);
  // KV right after the prefix as well.
  await weave.ask(paragraph('guide.md', 5));
  await weave.warm(plenty);
  const keys = await ownKeys(guide);
  expect((await tracesOf(store, keys)).length).toBeGreaterThan(12);
  expect(await weave.remove(['guide.md'])).toEqual([true]);
  expect(await tracesOf(store, keys)).toEqual([]);
  // The other document's six, what the question needed of it, and the prefix.
  expect((await recordsOf(store)).size).toBeGreaterThanOrEqual(7);
  expect(await weave.warm(plenty)).toMatchObject({ encoded: 0, cached: 6 });
});

test('a text in two documents has a variant in each, and one record after the prefix', async () => {
  const shared = 'Every vessel shows a lantern at night, whatever it carries.';
  const a = edited(book('a.md', 5), 3, shared);
  const b = edited(book('b.md', 5), 3, shared);
  const store = memoryStore();
  const { weave } = await warmWeave({ store });
  await weave.ingest([a, b], plenty);
  const [key] = (await ownKeys(a)).slice(3);
  expect((await ownKeys(b))[3]).toBe(key);
  const of = async () =>
    [...(await recordsOf(store)).keys()].filter((one) => one.startsWith(key!)).toSorted();
  const both = await of();
  expect(both).toHaveLength(2);
  expect(both.every(isVariant)).toBe(true);
  const { sources } = await weave.ask(shared, { topK: 2, order: 'rank' });
  expect(sources.map(({ text }) => text.trim())).toEqual([shared, shared]);
  expect(sources.map(({ encodedAfter }) => encodedAfter)).toEqual(['document', 'document']);

  await weave.remove(['a.md']);
  expect(await of()).toHaveLength(1);
  expect(
    await tracesOf(
      store,
      (await ownKeys(a)).filter((one) => one !== key),
    ),
  ).toEqual([]);
  const later = await weave.ask(shared, { topK: 1 });
  expect(later.sources[0]).toMatchObject({ documentId: 'b.md', cached: true });
  await weave.remove(['b.md']);
  expect(await of()).toEqual([]);
});

test('an edit deletes what saw the text that went, also of passages that stay', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store });
  await weave.ingest([guide], plenty);
  const keys = await ownKeys(guide);
  const before = await tracesOf(store, keys);
  await weave.ingest([edited(guide, 4, 'Here stood a secret.')], nothing);
  expect(await tracesOf(store, [keys[4]!])).toEqual([]);
  const left = await tracesOf(store, keys);
  expect(left.length).toBeLessThan(before.length - 1);
  // What comes before it never saw it.
  expect(left.length).toBeGreaterThanOrEqual(4);
});

test('a segment that is being computed while its document goes leaves nothing behind', async () => {
  for (const change of ['remove', 'edit'] as const) {
    const store = memoryStore();
    const { weave } = await warmWeave({ store, fake: { latency: { perRow: 0.1 } } });
    await weave.ingest([guide], nothing);
    let changing: Promise<unknown> | undefined;
    const other: Document = edited(guide, 0, 'Nothing of the first page is left.');
    await weave.warm({
      ...plenty,
      onProgress: ({ phase }) => {
        if (phase !== 'estimate') return;
        setTimeout(() => {
          changing =
            change === 'remove' ? weave.remove(['guide.md']) : weave.ingest([other], nothing);
        }, 15);
      },
    });
    await changing;
    const keys = await ownKeys(guide);
    expect(await tracesOf(store, change === 'remove' ? keys : [keys[0]!])).toEqual([]);
    // What comes back is kept again.
    await weave.ingest([guide], plenty);
    expect((await tracesOf(store, [keys[0]!])).length).toBeGreaterThan(1);
  }
});

test('warm-up never crosses a tenant, a label or a document', async () => {
  const store = memoryStore();
  // Shared by those who should not: keys and contexts alone keep them apart.
  (store as { access?: unknown }).access = undefined;
  const seen: string[][] = [];
  for (const access of [{}, { tenant: 'acme' }, { tenant: 'acme', label: 'board' }]) {
    const { weave } = await warmWeave({ store, ...access });
    const before = new Set((await recordsOf(store)).keys());
    const report = await weave.ingest([guide, notes], plenty);
    expect(report.kv).toMatchObject({ encoded: 18, cached: 0 });
    const own = [await ownKeys(guide, access), await ownKeys(notes, access)];
    const fresh = [...(await recordsOf(store))].filter(([key]) => !before.has(key));
    for (const [key, { context }] of fresh) {
      if (!context) continue;
      // All that it saw is of the same document, under keys of the same tenant and label.
      const document = own.find((keys) => keys.includes(key.slice(0, 64)))!;
      for (const chunk of context.chunks) expect(document).toContain(chunk);
    }
    expect(fresh.filter(([key]) => isVariant(key))).toHaveLength(16);
    seen.push(fresh.map(([key]) => key));
  }
  expect(new Set(seen.flat()).size).toBe(seen.flat().length);
});
