import { afterEach, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  bm25Retriever,
  type ChunkStore,
  type Document,
  memoryStore,
  restoreBm25Retriever,
  type Warmup,
} from '../../../lib/index.js';
import {
  book,
  cells,
  closeAll,
  edited,
  paragraph,
  plenty,
  recordsOf,
  warmWeave,
} from './warmup-support.js';

afterEach(closeAll);

const soak = process.env.CHUNKWEAVE_SOAK !== undefined;
const fake = { layers: 2, width: 8, headDim: 4 };
const warmup: Warmup = { document: { segmentTokens: 96, overlap: 24 } };

type Edit =
  | { readonly kind: 'write'; readonly file: number; readonly page: number; readonly text: number }
  | { readonly kind: 'insert'; readonly file: number; readonly page: number; readonly text: number }
  | { readonly kind: 'cut'; readonly file: number; readonly page: number }
  | { readonly kind: 'rename'; readonly file: number; readonly to: number }
  | { readonly kind: 'delete'; readonly file: number }
  | { readonly kind: 'create'; readonly to: number; readonly text: number };

const small = fc.nat(9);
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), file: small, page: small, text: small }),
  fc.record({ kind: fc.constant('insert' as const), file: small, page: small, text: small }),
  fc.record({ kind: fc.constant('cut' as const), file: small, page: small }),
  fc.record({ kind: fc.constant('rename' as const), file: small, to: small }),
  fc.record({ kind: fc.constant('delete' as const), file: small }),
  fc.record({ kind: fc.constant('create' as const), to: small, text: small }),
);

/** Few texts, so that some occur again and again, in one document and in several. */
const written = (text: number): string => paragraph('shared', text % 4);

/** A folder after an edit; files by name, a text as its paragraphs. */
function apply(folder: ReadonlyMap<string, readonly string[]>, change: Edit) {
  const next = new Map(folder);
  if (change.kind === 'create') {
    next.set(`new-${change.to}.md`, [written(change.text), written(change.text + 1)]);
    return next;
  }
  const names = [...next.keys()];
  const name = names[change.file % Math.max(1, names.length)];
  const pages = name === undefined ? undefined : next.get(name);
  if (name === undefined || !pages) return next;
  if (change.kind === 'rename' || change.kind === 'delete') {
    next.delete(name);
    if (change.kind === 'rename') next.set(`new-${change.to}.md`, pages);
    return next;
  }
  const at = change.page % Math.max(1, pages.length);
  const replaced = change.kind === 'insert' ? 0 : 1;
  const text = change.kind === 'cut' ? [] : [written(change.text)];
  next.set(name, pages.toSpliced(at, replaced, ...text));
  return next;
}

function documentsOf(folder: ReadonlyMap<string, readonly string[]>): Document[] {
  return Array.from(folder, ([id, pages]) => ({ id, text: pages.join('\n\n') }));
}

const start = new Map(['a.md', 'b.md'].map((id) => [id, book(id, 7).text.split('\n\n')] as const));

const byId = (chunks: Iterable<{ readonly id: string }>) =>
  [...chunks].toSorted((a, b) => (a.id < b.id ? -1 : 1));

/** What a store holds, by key. */
async function bytesOf(store: ChunkStore): Promise<Map<string, string>> {
  const records = await recordsOf(store);
  return new Map(
    [...records].map(([key, { kv }]) => [key, Buffer.from(kv.data).toString('base64')]),
  );
}

test('edits, renames and deletions end in the index and the KV of a fresh ingest, bit for bit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(edit, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
      async (rounds) => {
        const store = memoryStore();
        const retriever = bm25Retriever();
        const { weave } = await warmWeave({ store, retriever, warmup, fake });
        let folder: ReadonlyMap<string, readonly string[]> = start;
        await weave.ingest(documentsOf(folder), plenty);
        for (const edits of rounds) {
          for (const change of edits) folder = apply(folder, change);
          const report = await weave.ingest(documentsOf(folder), { ...plenty, complete: true });
          expect(report.kv.left).toBe(0);
          expect(report.changes.kept + report.changes.added).toBe(report.chunks);
        }
        const freshStore = memoryStore();
        const freshRetriever = bm25Retriever();
        const { weave: fresh } = await warmWeave({
          store: freshStore,
          retriever: freshRetriever,
          warmup,
          fake,
        });
        await fresh.ingest(documentsOf(folder), plenty);
        expect(byId(retriever.chunks!())).toEqual(byId(freshRetriever.chunks!()));
        const [kept, made] = [await bytesOf(store), await bytesOf(freshStore)];
        expect([...made].filter(([key, data]) => kept.get(key) !== data)).toEqual([]);
        // And nothing of what went, save variants of passages that stayed of what is still there.
        const { documents, chunks } = await weave.stats();
        expect({ documents, chunks }).toEqual({
          documents: (await fresh.stats()).documents,
          chunks: (await fresh.stats()).chunks,
        });
        for (const question of [paragraph('a.md', 3), paragraph('shared', 1)]) {
          const found = await retriever.search(question, { k: 3 });
          const expected = await freshRetriever.search(question, { k: 3 });
          const texts = (hits: typeof found) => hits.map(({ chunk }) => chunk.text).toSorted();
          expect(texts(found)).toEqual(texts(expected));
        }
        await weave.dispose();
        await fresh.dispose();
      },
    ),
    { numRuns: soak ? 100 : 4 },
  );
}, 600_000);

test('the report says what stayed, came and went', async () => {
  const { weave, engine } = await warmWeave({ warmup, fake });
  const [a, b] = [book('a.md', 8), book('b.md', 6)];
  const first = await weave.ingest([a, b], plenty);
  expect(first.changes).toEqual({
    kept: 0,
    added: 14,
    removed: 0,
    unchanged: [],
    removedDocuments: [],
    renamed: [],
  });
  const rows = engine.counters.rowLayers;
  const renamed = { ...b, id: 'c.md' };
  const again = await weave.ingest([a, renamed], { ...plenty, complete: true });
  expect(again.changes).toEqual({
    kept: 8,
    added: 6,
    removed: 6,
    unchanged: ['a.md'],
    removedDocuments: ['b.md'],
    renamed: [{ from: 'b.md', to: 'c.md' }],
  });
  // A renamed document costs nothing.
  expect(again.kv).toMatchObject({ encoded: 0, cached: 14, left: 0, tokens: 0 });
  expect(engine.counters.rowLayers).toBe(rows);
  expect(again.replaced).toEqual([]);

  const changed = edited(a, 6, paragraph('other', 3));
  const third = await weave.ingest([changed], plenty);
  expect(third.changes).toMatchObject({ kept: 7, added: 1, removed: 1, unchanged: [] });
  expect(third.replaced).toEqual(['a.md']);
  expect(third.kv.encoded).toBeGreaterThan(0);
  expect(third.kv.encoded).toBeLessThan(5);
  // Others stay where nobody says that these are all.
  expect((await weave.stats()).documents).toBe(2);
});

test('an abort before the end removes nothing', async () => {
  const { weave } = await warmWeave({ warmup, fake });
  await weave.ingest([book('a.md', 3), book('b.md', 3)], plenty);
  const controller = new AbortController();
  async function* broken() {
    yield book('c.md', 3);
    controller.abort(new Error('enough'));
    yield book('d.md', 3);
  }
  const ingest = weave.ingest(broken(), { complete: true, signal: controller.signal });
  await expect(ingest).rejects.toThrow('enough');
  expect((await weave.stats()).documents).toBe(3);
});

test('documents of a restored index are replaced, renamed and removed too', async () => {
  const store = memoryStore();
  const retriever = bm25Retriever();
  const { weave } = await warmWeave({ store, retriever, warmup, fake });
  await weave.ingest([book('a.md', 8), book('b.md', 6), book('x.md', 2)], plenty);
  await weave.dispose();
  const restored = await restoreBm25Retriever(JSON.parse(JSON.stringify(retriever)));
  const { weave: later } = await warmWeave({ store, retriever: restored, warmup, fake });
  const renamed = { ...book('b.md', 6), id: 'c.md' };
  const report = await later.ingest([edited(book('a.md', 8), 6, paragraph('other', 3)), renamed], {
    ...plenty,
    complete: true,
  });
  expect(report.changes).toMatchObject({
    kept: 7,
    added: 7,
    removed: 9,
    removedDocuments: ['b.md', 'x.md'],
    renamed: [{ from: 'b.md', to: 'c.md' }],
  });
  expect(report.kv.encoded).toBeLessThan(5);
  expect([...restored.chunks!()].map(({ documentId }) => documentId)).not.toContain('x.md');
  // What was made of x.md alone is gone.
  const held = await recordsOf(store);
  expect([...held.values()].map(({ source }) => source?.documentId)).not.toContain('x.md');
});

test('a passage that stands in two documents is cited apart, and goes with the last of them', async () => {
  const { weave } = await warmWeave({ warmup: 'prefix', cells, fake });
  const page = paragraph('shared', 1);
  const [a, b] = ['a.md', 'b.md'].map((id) => ({ id, text: page })) as [Document, Document];
  const first = await weave.ingest([a, b], plenty);
  expect(first.kv).toMatchObject({ encoded: 1, cached: 1 });
  const answer = await weave.ask(page, { topK: 2 });
  expect(answer.sources.map(({ documentId }) => documentId).toSorted()).toEqual(['a.md', 'b.md']);
  const second = await weave.ingest([b], { ...plenty, complete: true });
  expect(second.kv).toMatchObject({ encoded: 0, cached: 1 });
});

test.each([
  { document: { segmentTokens: 32 } },
  { document: { segmentTokens: 128, overlap: 65 } },
  { document: { overlap: -1 } },
  { document: { segmentTokens: 1.5 } },
])('%j is refused', async (bad) => {
  await expect(warmWeave({ warmup: bad })).rejects.toThrow(/warmup\.document/);
});
