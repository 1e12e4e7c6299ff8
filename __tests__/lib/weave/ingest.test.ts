import { afterEach, expect, test } from '@jest/globals';
import { type Document, type IngestProgress, memoryStore } from '../../../lib/index.js';
import { disposeAll, documents, indexedWeave, question, testWeave } from './support.js';

afterEach(disposeAll);

function filler(id: string): Document {
  return { id, text: `Nothing but ${id} ${id}ish ${id}ly.` };
}

async function* oneByOne() {
  yield* documents;
}

test('text is found at once, and KV made within the budget is there when asked for', async () => {
  const { weave, engine } = await testWeave();
  const progress: IngestProgress[] = [];
  const report = await weave.ingest(documents, { onProgress: (event) => progress.push(event) });
  expect(report).toMatchObject({ documents: 2, chunks: 6, replaced: [], empty: [] });
  expect(report.kv).toMatchObject({ encoded: 6, cached: 0, left: 0, refused: 0 });
  const { keyWidth, valueWidth, layers } = engine.model.kv;
  expect(report.kv.bytes).toBe(report.kv.tokens * layers * (keyWidth + valueWidth) * 2);

  expect(progress.filter(({ phase }) => phase === 'index')).toHaveLength(2);
  const estimate = progress.find((event) => event.phase === 'estimate');
  expect(estimate).toMatchObject({ planned: { chunks: 6, bytes: report.kv.bytes } });
  expect(estimate?.planned.milliseconds).toBeGreaterThan(0);
  const encoded = progress.filter((event) => event.phase === 'encode');
  expect(encoded.at(-1)).toMatchObject({ chunks: 6, tokens: report.kv.tokens });

  const answer = await weave.ask(question);
  expect(answer.sources.every(({ cached }) => cached)).toBe(true);
  expect(answer.timings.encode).toBeLessThan(1);
});

test('no budget, no computing', async () => {
  for (const budget of [{ milliseconds: 0 }, { bytes: 0 }]) {
    const { weave, engine } = await testWeave();
    const report = await weave.ingest(documents, { budget });
    expect(report.kv).toMatchObject({ encoded: 0, left: 6 });
    expect(engine.counters.layers).toBe(0);
  }
});

test('the budget of bytes holds', async () => {
  const { weave } = await testWeave();
  const all = await weave.ingest(documents);
  const bytes = Math.floor(all.kv.bytes / 2);
  const { weave: other } = await testWeave();
  const { kv } = await other.ingest(documents, { budget: { bytes } });
  expect(kv.encoded).toBeGreaterThan(0);
  expect(kv.left).toBeGreaterThan(0);
  expect(kv.bytes).toBeLessThanOrEqual(bytes);
});

test('the budget of time holds', async () => {
  const many = Array.from({ length: 60 }, (_, i): Document => {
    return { id: `${i}`, text: `Page ${i} tells of the tide number ${i} and nothing else at all.` };
  });
  const { weave } = await testWeave({ fake: { latency: { perRow: 0.5 } } });
  const start = performance.now();
  const { kv } = await weave.ingest(many, { budget: { milliseconds: 600 } });
  expect(performance.now() - start).toBeLessThan(3000);
  expect(kv.encoded).toBeGreaterThan(0);
  expect(kv.left).toBeGreaterThan(0);
  expect(kv.encoded + kv.cached + kv.left).toBe(60);
});

test('what is in the store is not made again, and warm makes the rest', async () => {
  const store = memoryStore();
  const { weave } = await indexedWeave({ store });
  await weave.ask(question);
  const report = await weave.warm();
  expect(report).toMatchObject({ encoded: 2, cached: 4, left: 0 });
  expect(await weave.warm()).toMatchObject({ encoded: 0, cached: 6, left: 0 });
  const { weave: other } = await testWeave({ store });
  expect((await other.ingest(documents)).kv).toMatchObject({ encoded: 0, cached: 6 });
});

test('what others are likely to need comes first', async () => {
  const texts: Document[] = [
    filler('aaa'),
    filler('bbb'),
    { id: 'hub', text: 'The lighthouse at the harbour has a keeper and a lamp.' },
    { id: 'one', text: 'A lighthouse keeper rises early.' },
    { id: 'two', text: 'The harbour has a lamp.' },
    { id: 'three', text: 'Every keeper of a lamp reads.' },
  ];
  const { weave } = await testWeave();
  const tokens = (await weave.ingest(texts, { budget: { bytes: 0 } })).tokens;
  const { weave: other, engine } = await testWeave();
  const { keyWidth, valueWidth, layers } = engine.model.kv;
  const bytes = (tokens / 2) * layers * (keyWidth + valueWidth) * 2;
  await other.ingest(texts, { budget: { bytes } });
  const answer = await other.ask('lighthouse harbour keeper lamp', { topK: 1 });
  expect(answer.sources[0]).toMatchObject({ documentId: 'hub', cached: true });
  const rare = await other.ask('aaaish', { topK: 1 });
  expect(rare.sources[0]).toMatchObject({ documentId: 'aaa', cached: false });
});

test('a document with the id of an earlier one takes its place', async () => {
  const { weave } = await indexedWeave();
  const text = 'The lighthouse keeper is now Ambrose Finch.';
  const report = await weave.ingest([{ id: 'harbour.md', text }]);
  expect(report.replaced).toEqual(['harbour.md']);
  const { sources } = await weave.prompt(question, { topK: 10 });
  expect(sources.filter(({ documentId }) => documentId === 'harbour.md')).toMatchObject([{ text }]);
  expect(await weave.stats()).toMatchObject({ documents: 2, chunks: 4 });
});

test('documents without text are reported, and empty an earlier one', async () => {
  const { weave } = await indexedWeave();
  const report = await weave.ingest([
    { id: 'blank.md', text: ' \n\n ' },
    { id: 'harbour.md', text: '' },
  ]);
  expect(report).toMatchObject({ documents: 0, chunks: 0, empty: ['blank.md', 'harbour.md'] });
  expect(await weave.stats()).toMatchObject({ documents: 1, chunks: 3 });
});

test('documents may come one by one', async () => {
  const { weave } = await testWeave();
  expect(await weave.ingest(oneByOne())).toMatchObject({ documents: 2, chunks: 6 });
});

test('removing forgets text and KV, but not what another document has too', async () => {
  const store = memoryStore();
  const { weave } = await testWeave({ store });
  const [harbour, museum] = documents;
  await weave.ingest([harbour!, museum!, { ...harbour!, id: 'copy.md' }]);
  const before = (await store.stats()).records;
  expect(await weave.remove(['harbour.md', 'nobody.md'])).toEqual([true, false]);
  expect((await store.stats()).records).toBe(before);
  expect(await weave.remove(['copy.md'])).toEqual([true]);
  expect((await store.stats()).records).toBe(before - 3);
  const { sources } = await weave.prompt(question, { topK: 10 });
  expect(sources.map(({ documentId }) => documentId)).toEqual(['museum.md', 'museum.md']);
});

test.each([[{ id: '', text: 'x' }], [{ id: 'x' }], [undefined]])(
  'a document %j is refused',
  async (document) => {
    const { weave } = await testWeave();
    await expect(weave.ingest([document as Document])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  },
);

test.each([{ milliseconds: -1 }, { bytes: Number.NaN }])(
  'a budget %j is refused',
  async (budget) => {
    const { weave } = await testWeave();
    await expect(weave.ingest(documents, { budget })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(weave.warm({ budget })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  },
);
