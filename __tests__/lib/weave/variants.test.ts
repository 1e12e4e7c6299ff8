import { afterEach, expect, test } from '@jest/globals';
import { type ChunkStore, type Document, memoryStore, variantsOf } from '../../../lib/index.js';
import {
  book,
  closeAll,
  direct,
  edited,
  isVariant,
  nothing,
  ownKeys,
  paragraph,
  plenty,
  recordsOf,
  spy,
  warmWeave,
} from './warmup-support.js';
import { BackgroundWriter } from '../../../lib/weave/background-writer.js';

afterEach(closeAll);

const guide = book('guide.md', 20);
const question = paragraph('guide.md', 11);
const shared = 'Every vessel shows a lantern at night, whatever it carries.';
/** Documents that differ but for one paragraph. */
const shelf: readonly Document[] = Array.from({ length: 5 }, (_, i) =>
  edited(book(`volume-${i}.md`, 5), 3, shared),
);

async function variantsOfShared(store: ChunkStore): Promise<string[]> {
  const key = (await ownKeys(shelf[0]!))[3]!;
  return (await variantsOf(store, key))
    .map((info) => info.key)
    .filter(isVariant)
    .toSorted();
}

test('of a text that occurs again and again no more variants are kept than may be', async () => {
  const store = memoryStore();
  const { weave, engine } = await warmWeave({ store, maxVariants: 2 });
  for (const volume of shelf) await weave.ingest([volume], plenty);
  expect(await variantsOfShared(store)).toHaveLength(2);
  // All others have theirs, and nothing is made again and again for the sake of those that were not kept.
  const { rowLayers } = engine.counters;
  expect(await weave.warm(plenty)).toMatchObject({ encoded: 0, left: 0 });
  expect(engine.counters.rowLayers).toBe(rowLayers);
  const all = memoryStore();
  const { weave: other } = await warmWeave({ store: all });
  for (const volume of shelf) await other.ingest([volume], plenty);
  expect(await variantsOfShared(all)).toHaveLength(5);
});

test('the variant that was used least often goes for a new one', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store, maxVariants: 3 });
  await weave.ingest(shelf.slice(0, 3), plenty);
  const [unused, ...used] = await variantsOfShared(store);
  for (const key of used) await store.get(key);
  const record = (await store.get(used[0]!))!;
  expect(used).toHaveLength(2);
  const writer = new BackgroundWriter(store, { maxVariants: 3 });
  const fresh = `${used[0]!.slice(0, 64)}.${'0'.repeat(32)}`;
  writer.put(fresh, record);
  await writer.idle();
  expect(await variantsOfShared(store)).toEqual([fresh, ...used].toSorted());
  expect(await store.has(unused!)).toBe(false);
  expect((await store.stats()).evictionsBy).toEqual({ variant: 1 });
});

test('a question takes a variant of another segment of the document where its own is missing', async () => {
  const store = memoryStore();
  const { policy, seen } = spy();
  // Fewer cells, other segments: other variants of the same passages.
  const { weave: narrow } = await warmWeave({ store, cells: 250 });
  await narrow.ingest([guide], plenty);
  const { weave } = await warmWeave({ store, policy });
  await weave.ingest([guide], nothing);
  const { sources } = await weave.ask(question);
  expect(sources.slice(1).map(({ cached }) => cached)).toEqual([true, true]);
  expect(sources.slice(1).map(({ encodedAfter }) => encodedAfter)).toEqual([
    'document',
    'document',
  ]);
  const keys = await ownKeys(guide);
  for (const { context } of seen.slice(1)) {
    expect(context!.chunks.length).toBeGreaterThan(0);
    for (const chunk of context!.chunks) expect(keys).toContain(chunk);
  }
  // Its own is taken once it is there.
  await weave.warm(plenty);
  await weave.ask(question);
  const own = new Map((await direct(guide)).chunks.map(({ key, saw }) => [key.slice(0, 64), saw]));
  for (const { key, context } of seen.slice(1)) expect(context!.chunks).toEqual(own.get(key!));
});

test('never one that was made in the sight of another document', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store });
  await weave.ingest([shelf[0]!], plenty);
  expect(await variantsOfShared(store)).toHaveLength(1);
  // Of the same name, as files of two folders may be, and of another.
  for (const id of ['volume-0.md', 'volume-1.md']) {
    const { weave: other } = await warmWeave({ store });
    await other.ingest([{ ...edited(book('something else', 5), 3, shared), id }], nothing);
    const { sources } = await other.ask(shared, { topK: 2, order: 'rank' });
    const at = sources.findIndex(({ text }) => text.trim() === shared);
    expect(sources[at]!.encodedAfter).toBe('prefix');
  }
});

test('a weave without a warm-up takes no variants', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store });
  await weave.ingest([guide], plenty);
  const { weave: plain } = await warmWeave({ store, warmup: 'prefix' });
  await plain.ingest([guide], nothing);
  const { sources } = await plain.ask(question);
  expect(sources.map(({ encodedAfter }) => encodedAfter)).toEqual(['prefix', 'prefix', 'prefix']);
  expect((await recordsOf(store)).size).toBeGreaterThan(20);
});

test.each([0, -1, 1.5, Number.NaN])('maxVariants %p is refused', async (maxVariants) => {
  await expect(warmWeave({ maxVariants })).rejects.toThrow(/maxVariants/);
});
