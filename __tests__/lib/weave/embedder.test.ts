import { afterEach, expect, test } from '@jest/globals';
import {
  bm25Retriever,
  cacheAwareSelector,
  createWeave,
  type Embedder,
  fusedRetriever,
  memoryStore,
  recursiveChunker,
} from '../../../lib/index.js';
import { FakeEngine, HashingEmbedder } from '../../../lib/testing/index.js';
import { disposeAll, indexedWeave, question } from './support.js';

afterEach(disposeAll);

const documents = Array.from({ length: 6 }, (_, i) => ({
  id: `d${i}`,
  text: `The keeper number ${i} of harbour ${'klmnop'[i]} wrote a diary about storms and lanterns.`,
}));

/** Sees nothing but one passage in whatever is asked. */
const fixed = (dimensions: number): Embedder => ({
  fingerprint: 'fixed',
  dimensions,
  embed: async (texts, { kind }) =>
    texts.map((text) => {
      const vector = new Float32Array(dimensions);
      vector[kind === 'query' || text.includes('number 4') ? 0 : 1] = 1;
      return vector;
    }),
});

async function weaveWith(options: Parameters<typeof createWeave>[0]) {
  const weave = await createWeave(options);
  await weave.ingest(documents, { budget: { milliseconds: 0 } });
  return weave;
}

test('with an embedder questions find passages by meaning too, without one by words alone', async () => {
  const engine = new FakeEngine();
  const common = { engine, store: memoryStore(), topK: 2, order: 'rank' } as const;
  await using words = await weaveWith(common);
  await using both = await weaveWith({ ...common, embedder: fixed(4) });
  const asked = 'Which diary?';
  const found = async (weave: typeof words) =>
    (await weave.prompt(asked)).sources.map(({ documentId }) => documentId);
  expect(await found(words)).not.toContain('d4');
  expect((await found(both))[0]).toBe('d4');
  await engine.dispose();
});

test('what is found is what the fused retriever by itself finds', async () => {
  const engine = new FakeEngine();
  const embedder = new HashingEmbedder({ dimensions: 64 });
  const chunker = recursiveChunker({ maxTokens: 12 });
  const retriever = fusedRetriever({ embedder });
  const common = { engine, store: memoryStore(), chunker, topK: 5, order: 'rank' } as const;
  await using given = await weaveWith({ ...common, retriever });
  await using own = await weaveWith({ ...common, embedder });
  for (const asked of ['Who wrote of storms?', 'harbour m', 'keeper number 2']) {
    const [a, b] = [await given.prompt(asked), await own.prompt(asked)];
    expect(b.sources.map(({ chunkId }) => chunkId)).toEqual(
      a.sources.map(({ chunkId }) => chunkId),
    );
    const hits = await retriever.search(asked, { k: 5 });
    expect(new Set(b.sources.map(({ chunkId }) => chunkId))).toEqual(
      new Set(hits.map(({ chunk }) => chunk.id)),
    );
  }
  await engine.dispose();
});

test('of a changed document only passages that are new are embedded', async () => {
  const inner = new HashingEmbedder({ dimensions: 64 });
  const texts: string[] = [];
  const embedder: Embedder = {
    fingerprint: inner.fingerprint,
    dimensions: inner.dimensions,
    embed: async (all, options) => {
      texts.push(...all);
      return inner.embed(all, options);
    },
  };
  const engine = new FakeEngine();
  const chunker = recursiveChunker({ maxTokens: 24 });
  await using weave = await createWeave({ engine, embedder, chunker });
  const pages = Array.from({ length: 30 }, (_, i) => `Page ${i} tells of harbours.`);
  const nothing = { budget: { milliseconds: 0 } };
  await weave.ingest([{ id: 'd', text: pages.join('\n\n') }], nothing);
  expect(texts).toHaveLength(30);
  texts.length = 0;
  // What follows moves by a line.
  const changed = pages.toSpliced(10, 1, 'Page ten is another.', 'And one more page.');
  const { changes } = await weave.ingest([{ id: 'd', text: changed.join('\n\n') }], nothing);
  expect(changes).toMatchObject({ kept: 29, added: 2, removed: 1 });
  expect(texts.map((text) => text.trim())).toEqual(['Page ten is another.', 'And one more page.']);
  await engine.dispose();
});

test('an embedder beside a retriever is refused, not ignored', async () => {
  const engine = new FakeEngine();
  await expect(
    createWeave({ engine, retriever: bm25Retriever(), embedder: fixed(4) }),
  ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await engine.dispose();
});

test('the selector by its name is the one by its function, under the milliseconds of the best', async () => {
  const { weave } = await indexedWeave({ topK: 2 });
  const named = await weave.explain(question, { selector: 'cache-aware' });
  const given = await weave.explain(question, {
    selector: cacheAwareSelector(),
    budget: { share: 1 },
  });
  expect(named.selection?.selector).toBe('cache-aware');
  expect(named.selection?.unit).toBe('milliseconds');
  expect(named.selection?.budget).toBeCloseTo(given.selection?.budget ?? 0, 6);
  expect(named.sources).toEqual(given.sources);
  const tokens = await weave.explain(question, {
    selector: 'cache-aware',
    budget: { tokens: 20 },
  });
  expect(tokens.selection?.unit).toBe('tokens');
});
