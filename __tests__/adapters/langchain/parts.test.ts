import { Document } from '@langchain/core/documents';
import { AIMessage } from '@langchain/core/messages';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { expect, test } from '@jest/globals';
import { assert, asyncProperty, string } from 'fast-check';
import {
  ChatChunkweave,
  ChunkweaveCompressor,
  ChunkweaveEmbeddings,
  ChunkweaveRetriever,
  ChunkweaveTextSplitter,
  ChunkweaveVectorStore,
  fromLangChainModel,
  PeerVersionError,
} from '../../../adapters/langchain/index.js';
import { checkPeer } from '../../../adapters/langchain/peer.js';
import {
  bm25Retriever,
  denseRetriever,
  exactSelector,
  fixedChunker,
  flatIndex,
  hybridRetriever,
  markdownChunker,
  sentenceChunker,
} from '../../../lib/index.js';
import { FakeEngine, FakeTokenizer, HashingEmbedder } from '../../../lib/testing/index.js';

const embedder = new HashingEmbedder();
const page = (id: string, pageContent: string, metadata = {}) =>
  new Document({ id, pageContent, metadata });
const animals = [
  page('otters', 'Otters eat fish and crabs.', { wet: true }),
  page('pandas', 'Pandas eat bamboo leaves.', { wet: false }),
  page('bees', 'Bees make honey from nectar.', { wet: false }),
];

test.each(['0.3.80', '2.0.0'])(
  '@langchain/core %s is refused with the install command',
  (version) => {
    expect(() => checkPeer(version)).toThrow(PeerVersionError);
    expect(() => checkPeer(version)).toThrow(
      `${version} is installed. Run: npm install @langchain/core@^1`,
    );
  },
);

test('the supported versions are those that the manifest asks for', async () => {
  const { default: manifest } = await import('../../../package.json', { with: { type: 'json' } });
  expect(manifest.peerDependencies['@langchain/core']).toBe('^1.0.0');
  expect(() => checkPeer('1.0.0')).not.toThrow();
});

test('embeddings are those of the embedder, batch by batch', async () => {
  const embeddings = new ChunkweaveEmbeddings({ embedder, batchSize: 2 });
  const texts = animals.map(({ pageContent }) => pageContent);
  const vectors = await embeddings.embedDocuments(texts);
  const expected = await embedder.embed(texts, { kind: 'passage' });
  expect(vectors).toEqual(expected.map((vector) => [...vector]));
  expect(await embeddings.embedQuery('fish')).toHaveLength(embedder.dimensions);
  expect(await embeddings.embedDocuments([])).toEqual([]);
});

test.each([sentenceChunker({ maxTokens: 12 }), fixedChunker({ maxTokens: 9 }), markdownChunker()])(
  'what $name cuts keeps offsets and metadata, with any tokenizer',
  async (chunker) => {
    for (const tokenizer of [undefined, new FakeTokenizer()]) {
      const splitter = new ChunkweaveTextSplitter({ chunker, ...(tokenizer && { tokenizer }) });
      await assert(
        asyncProperty(string({ unit: 'grapheme', maxLength: 120 }), async (text) => {
          const whole = page('a', `# Title\n\n${text}. More of it follows here.`, { lang: 'en' });
          const passages = await splitter.invoke([whole]);
          expect(passages.length).toBeGreaterThan(0);
          for (const [i, { pageContent, metadata }] of passages.entries()) {
            const { start, end, index, by } = metadata['chunk'];
            expect(whole.pageContent.slice(start, end)).toBe(pageContent);
            expect([index, by, metadata['lang']]).toEqual([i, chunker.name, 'en']);
          }
          expect(new Set(passages.map(({ id }) => id)).size).toBe(passages.length);
        }),
        { numRuns: 15 },
      );
    }
  },
);

test('a splitter has the methods of LangChain splitters, and refuses what does not fit', async () => {
  const splitter = new ChunkweaveTextSplitter({ chunker: sentenceChunker({ maxTokens: 8 }) });
  const texts = await splitter.splitText('Otters eat fish. Pandas eat bamboo.');
  expect(texts.join('')).toContain('Pandas');
  const [first] = await splitter.createDocuments(['Otters.'], [{ page: 3 }]);
  expect([first?.pageContent, first?.metadata['page'], first?.id]).toEqual([
    'Otters.',
    3,
    undefined,
  ]);
  expect(() => splitter.createDocuments(['a', 'b'], [{}])).toThrow(/2 texts and 1 metadata/);
  const [same] = animals;
  await expect(splitter.splitDocuments([same!, same!])).rejects.toThrow(/the id "otters"/);
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(splitter.splitDocuments(animals, { signal })).rejects.toThrow('enough');
});

test('a vector store finds, filters, replaces and deletes, as a retriever too', async () => {
  const store = await ChunkweaveVectorStore.fromDocuments(
    animals,
    new ChunkweaveEmbeddings({ embedder }),
  );
  const [best] = await store.similaritySearchWithScore('Who eats bamboo leaves?', 1);
  expect(best?.[0]).toEqual(animals[1]);
  expect(best?.[1]).toBeGreaterThan(0);
  const filter = { op: 'equals', field: 'wet', value: true } as const;
  const wet = await store.similaritySearch('bamboo', 3, filter);
  expect(wet.map(({ id }) => id)).toEqual(['otters']);
  expect(await store.asRetriever(2).invoke('honey')).toHaveLength(2);

  await store.addDocuments([page('bees', 'Bees sleep at night.')]);
  expect(await store.index.size()).toBe(3);
  await store.delete({ ids: ['bees', 'nobody'] });
  expect(await store.index.size()).toBe(2);
  await expect(store.delete()).rejects.toThrow(/Say which/);
  const twice = [page('x', 'one'), page('x', 'two')];
  await expect(store.addDocuments(twice)).rejects.toThrow(/the id "x"/);
  await expect(store.addVectors([], animals)).rejects.toThrow(/as many of each/);
  expect(await store.index.size()).toBe(2);
  const other = flatIndex({ embedder: new HashingEmbedder({ dimensions: 8 }) });
  expect(() => new ChunkweaveVectorStore({ embedder, index: other })).toThrow(/8 numbers long/);
});

test('a hybrid retriever gives scores and places, and a selector picks from it', async () => {
  const dense = denseRetriever({ embedder, index: flatIndex({ embedder }) });
  const retriever = hybridRetriever({ retrievers: { lexical: bm25Retriever(), dense } });
  const plain = new ChunkweaveRetriever({ retriever, k: 2 });
  await plain.addDocuments(animals);
  const found = await plain.invoke('Who eats bamboo?');
  expect(found[0]).toMatchObject({
    pageContent: animals[1]?.pageContent,
    metadata: { documentId: 'pandas', start: 0, wet: false, score: expect.any(Number) },
  });
  expect(found[0]?.metadata['score']).toBeGreaterThanOrEqual(found[1]?.metadata['score']);
  await expect(plain.addDocuments([new Document({ pageContent: 'x' })])).rejects.toThrow(/no id/);

  const picky = new ChunkweaveRetriever({
    retriever,
    compress: { selector: exactSelector(), budget: 8 },
  });
  expect((await picky.invoke('Who eats bamboo?')).map(({ id }) => id)).toEqual([found[0]?.id]);
  expect(() => new ChunkweaveRetriever({ retriever, k: 0 })).toThrow(/k is 0/);
});

test('a compressor reranks and selects, and keeps what documents brought', async () => {
  const reranker = {
    name: 'by length',
    rerank: async ({ candidates }: { candidates: readonly { chunk: { text: string } }[] }) =>
      candidates
        .map((each) => ({ ...each, score: each.chunk.text.length }))
        .toSorted((a, b) => b.score - a.score),
  } as unknown as NonNullable<ConstructorParameters<typeof ChunkweaveCompressor>[0]['reranker']>;
  const kept = await new ChunkweaveCompressor({ reranker, k: 2 }).compressDocuments(animals, 'q');
  expect(kept.map(({ id, metadata }) => [id, metadata])).toEqual([
    ['bees', { wet: false, score: 28 }],
    ['otters', { wet: true, score: 26 }],
  ]);
  expect(() => new ChunkweaveCompressor({})).toThrow(/needs a selector/);
  expect(() => new ChunkweaveCompressor({ selector: exactSelector() })).toThrow(/needs a budget/);
  const twice = [page('x', 'one'), page('x', 'two')];
  const compressor = new ChunkweaveCompressor({ k: 1 });
  await expect(compressor.compressDocuments(twice, 'q')).rejects.toThrow(/the id "x"/);
  expect(await compressor.compressDocuments([], 'q')).toEqual([]);
});

test('any chat model of LangChain answers as a LanguageModel; a grammar only where it is followed', async () => {
  const listed = fromLangChainModel(new FakeListChatModel({ responses: ['Fish.'] }), {
    name: 'list',
  });
  expect(await listed.generate({ system: 'Be brief.', prompt: 'What?' })).toEqual({
    text: 'Fish.',
    finishReason: 'stop',
    usage: { promptTokens: 0, generatedTokens: 0 },
  });
  const grammar = 'root ::= "yes" | "no"';
  await expect(listed.generate({ prompt: 'Yes?', grammar })).rejects.toThrow(
    /"list" follows no grammar/,
  );

  await using engine = new FakeEngine();
  await using model = new ChatChunkweave({ engine });
  const own = fromLangChainModel(model);
  const { text, usage } = await own.generate({ prompt: 'Yes?', grammar });
  expect(['yes', 'no']).toContain(text);
  expect(usage.promptTokens).toBeGreaterThan(0);
  const cut = await own.generate({ prompt: 'Yes?', maxTokens: 2 });
  expect([cut.finishReason, cut.usage.generatedTokens]).toEqual(['length', 2]);

  const call = { id: '1', name: 'search', args: {} };
  class Caller extends FakeListChatModel {
    override async _generate() {
      const message = new AIMessage({ content: '', tool_calls: [call] });
      return { generations: [{ text: '', message }] };
    }
  }
  const caller = fromLangChainModel(new Caller({ responses: [''] }));
  await expect(caller.generate({ prompt: 'What?' })).rejects.toThrow(/called tools/);
});
