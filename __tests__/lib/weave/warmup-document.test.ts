import { afterEach, expect, test } from '@jest/globals';
import {
  bm25Retriever,
  memoryStore,
  restoreBm25Retriever,
  type Retriever,
} from '../../../lib/index.js';
import {
  book,
  cells,
  chunksOf,
  closeAll,
  direct,
  edited,
  holds,
  isVariant,
  nothing,
  ownKeys,
  paragraph,
  plenty,
  recordsOf,
  spy,
  warmWeave,
} from './warmup-support.js';

afterEach(closeAll);

const guide = book('guide.md', 20);
/** Three pages of it fit, none of them the first. */
const question = paragraph('guide.md', 11);

test('ingest keeps what encoding the document in segments gives, bit for bit', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store });
  const report = await weave.ingest([guide], plenty);
  const { chunks, computed, segments } = await direct(guide);
  expect(segments).toBeGreaterThan(2);
  expect(report.kv).toMatchObject({ encoded: 20, cached: 0, left: 0, tokens: computed });
  const records = await recordsOf(store);
  expect(holds(records, chunks)).toEqual([]);
  // The passages and the prefix.
  expect(records.size).toBe(21);
  let bytes = 0;
  for (const [i, { key, saw, data }] of chunks.entries()) {
    const { context, source } = records.get(key)!;
    expect(context).toEqual(i === 0 ? undefined : { chunks: saw, warmupTokens: 0 });
    expect(source?.documentId).toBe('guide.md');
    expect(saw.length).toBeGreaterThan(i === 0 ? -1 : 0);
    bytes += data.byteLength;
  }
  expect(isVariant(chunks[0]!.key)).toBe(false);
  expect(report.kv.bytes).toBe(bytes);
});

test('keys are known without computing anything', async () => {
  const store = memoryStore();
  const { weave, engine } = await warmWeave({ store });
  await weave.ingest([guide], nothing);
  expect(engine.counters.layers).toBe(0);
});

test('a question that finds nothing has passages encoded after the prefix; later it takes those of segments', async () => {
  const store = memoryStore();
  const { policy, seen } = spy();
  const { weave, engine } = await warmWeave({ store, policy });
  await weave.ingest([guide], nothing);
  const first = await weave.ask(question);
  expect(first.sources.map(({ cached, encodedAfter }) => [cached, encodedAfter])).toEqual(
    first.sources.map(() => [false, 'prefix']),
  );
  expect(first.sources.length).toBe(3);
  expect([...(await recordsOf(store)).keys()].filter(isVariant)).toEqual([]);
  // A segment would have taken longer.
  const { computed } = await direct(guide);
  const rows = engine.counters.rowLayers / engine.model.layers;
  expect(rows).toBeLessThan(computed);
  expect(seen.map(({ exact }) => exact)).toEqual([true, false, false]);
  expect(seen.some(({ context }) => context)).toBe(false);

  expect(await weave.warm(plenty)).toMatchObject({ encoded: 20, left: 0 });
  const second = await weave.ask(question);
  expect(second.sources.map(({ cached }) => cached)).toEqual([true, true, true]);
  // Right after the prefix, KV that saw nothing else is exact.
  expect(second.sources.map(({ encodedAfter }) => encodedAfter)).toEqual([
    'prefix',
    'document',
    'document',
  ]);
  expect(seen.map(({ exact }) => exact)).toEqual([true, false, false]);
  const keys = await ownKeys(guide);
  for (const [i, { key, context }] of seen.entries()) {
    expect(keys).toContain(key);
    expect(context === undefined).toBe(i === 0);
    for (const chunk of context?.chunks ?? []) {
      expect(keys.indexOf(chunk)).toBeLessThan(keys.indexOf(key!));
    }
  }
  for (const { usage } of [first, second]) {
    expect(usage.cached + usage.recomputed + usage.fresh).toBe(usage.prompt);
  }
  // Nothing is recomputed and only the question is new.
  expect(second.usage.cached).toBe((await weave.prompt(question)).question.start);
});

test('a passage that saw others is never taken for exact', async () => {
  const { policy, seen } = spy();
  const { weave } = await warmWeave({ policy });
  await weave.ingest([guide], plenty);
  const answer = await weave.ask(question);
  expect(answer.sources.map(({ encodedAfter }) => encodedAfter)).toEqual([
    'document',
    'document',
    'document',
  ]);
  expect(seen.map(({ exact, cached }) => [exact, cached])).toEqual(seen.map(() => [false, true]));
  // The first passage of the document saw nothing but the prefix.
  const opening = await weave.ask(paragraph('guide.md', 0), { topK: 1 });
  expect(opening.sources[0]).toMatchObject({ encodedAfter: 'prefix', cached: true });
  expect(seen[0]).toMatchObject({ exact: true });
});

test('where the KV of a segment is gone, that after the prefix is taken', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store });
  await weave.ingest([guide], nothing);
  await weave.ask(question);
  await weave.warm(plenty);
  for (const key of (await recordsOf(store)).keys()) if (isVariant(key)) await store.delete(key);
  const { sources, usage } = await weave.ask(question);
  expect(sources.map(({ cached, encodedAfter }) => [cached, encodedAfter])).toEqual(
    sources.map(() => [true, 'prefix']),
  );
  expect(usage.cached).toBeGreaterThan(0);
});

test('an index that was restored finds the KV of segments, whoever made them', async () => {
  const store = memoryStore();
  const retriever = bm25Retriever();
  const { weave } = await warmWeave({ store, retriever });
  await weave.ingest([guide, book('notes.md', 9)], plenty);
  const kept = await weave.ask(question);
  await weave.dispose();

  const restored = await restoreBm25Retriever(JSON.parse(JSON.stringify(retriever)));
  const copying: Retriever = {
    add: async () => {},
    remove: async () => {},
    size: 1,
    // Other objects each time, as of a database.
    search: async (text, options) =>
      (await restored.search(text, options)).map((hit) => ({ ...hit, chunk: { ...hit.chunk } })),
    chunks: () => restored.chunks!(),
  };
  for (const other of [restored, copying]) {
    const { weave: later, engine } = await warmWeave({ store, retriever: other });
    const answer = await later.ask(question);
    expect(answer.sources.map(({ cached, encodedAfter }) => [cached, encodedAfter])).toEqual(
      answer.sources.map(() => [true, 'document']),
    );
    expect(answer.text).toBe(kept.text);
    expect(engine.counters.layers).toBeGreaterThan(0);
  }
  // Of an index that cannot tell its chunks, nobody knows what precedes them: passages are encoded after the prefix.
  const { chunks: _, ...silent } = copying;
  const { weave: without } = await warmWeave({ store, retriever: silent });
  expect((await without.ask(question)).sources.map(({ encodedAfter }) => encodedAfter)).toEqual([
    'prefix',
    'prefix',
    'prefix',
  ]);
  // Once the document is ingested, its chunks are known by their ids.
  await without.ingest([guide], nothing);
  expect((await without.ask(question)).sources.at(-1)).toMatchObject({ encodedAfter: 'document' });
});

test('an edit leaves the KV of untouched segments in use, and gives what a fresh ingest gives', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store });
  await weave.ingest([guide], plenty);
  const changed = edited(guide, 17, 'A page about nothing at all.');
  const { kv, replaced, undeleted } = await weave.ingest([changed], plenty);
  expect(replaced).toEqual(['guide.md']);
  expect(undeleted).toBe(0);
  expect(kv.left).toBe(0);
  expect(kv.encoded).toBeGreaterThan(0);
  expect(kv.encoded).toBeLessThan(10);
  expect(kv.encoded + kv.cached).toBe(20);
  const { chunks } = await direct(changed);
  const records = await recordsOf(store);
  expect(holds(records, chunks)).toEqual([]);
  // What saw the page that went is gone with it.
  expect(records.size).toBe(21);
});

test('making KV bit by bit gives what making it at once gives', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store });
  await weave.ingest([guide], nothing);
  const all = (await direct(guide)).chunks;
  const bytes = all.reduce((sum, { data }) => sum + data.byteLength, 0);
  const encoded: number[] = [];
  for (let i = 0; i < 20 && encoded.reduce((sum, count) => sum + count, 0) < 20; i++) {
    const report = await weave.warm({ budget: { ...plenty.budget, bytes: bytes / 2 } });
    encoded.push(report.encoded);
    expect(report.bytes).toBeLessThanOrEqual(bytes / 2);
  }
  expect(encoded.length).toBeGreaterThan(1);
  expect(holds(await recordsOf(store), all)).toEqual([]);
});

test('a passage that fits into no segment is encoded after the prefix', async () => {
  const store = memoryStore();
  const short = book('a.md', 3);
  // Room for the longest passage and its separator, but not for an overlap before it.
  const most = Math.max(...(await chunksOf(short)).map(({ tokens }) => tokens.length)) + 1;
  const { weave } = await warmWeave({ store, cells: most });
  expect((await weave.ingest([short], plenty)).kv).toMatchObject({ encoded: 3, left: 0 });
  expect([...(await recordsOf(store)).keys()].filter(isVariant)).toEqual([]);
  const { weave: other } = await warmWeave({ store, cells });
  expect((await other.ingest([short], plenty)).kv).toMatchObject({ encoded: 2, cached: 1 });
});
