import { expect, test } from '@jest/globals';
import { armsOf } from '../../../bench/retrieval/arms.js';
import { rememberVectors } from '../../../bench/retrieval/remember.js';
import { HashingEmbedder } from '../../../lib/testing/index.js';
import { cut } from '../../lib/retrieve/support.js';

const chunks = [
  ...cut('d', ['tides follow the moon ', 'the moon has no tides ', 'bread is baked ']),
  ...cut('e', ['yeast makes bread rise ', 'moonlight is pale ']),
];

test('every arm finds, whatever its setting; without an embedder there are those of words', async () => {
  const indexed: string[] = [];
  const embedder = new HashingEmbedder();
  const { arms } = await armsOf(chunks, {
    embedder: rememberVectors(embedder),
    situated: true,
    took: (what) => indexed.push(what),
  });
  expect(arms.map(({ name }) => name)).toEqual([
    'bm25',
    'bm25 mmr',
    'bm25 neighbours',
    'dense',
    'dense mmr',
    'dense joined',
    'dense mean',
    'hybrid rrf',
    'hybrid min-max',
    'hybrid z-score',
    'hybrid rrf mmr',
    'hybrid rrf neighbours',
  ]);
  expect(indexed).toEqual(['bm25', 'dense', 'dense joined']);
  for (const { name, settings } of arms) {
    for (const { retriever, name: setting } of settings) {
      const hits = await retriever.search('why are there tides under the moon', { k: 50 });
      expect([name, setting, hits[0]?.chunk.documentId]).toEqual([name, setting, 'd']);
      expect(new Set(hits.map(({ chunk }) => chunk.id)).size).toBe(hits.length);
      expect((await retriever.search('bread', { k: 1 })).length).toBe(1);
    }
  }
  // Each text is embedded once, whatever the number of arms.
  expect(new Set(embedder.seen).size).toBe(embedder.seen.length);
  const { arms: lexical } = await armsOf(chunks, {
    embedder: undefined,
    situated: true,
    took: () => {},
  });
  expect(lexical.map(({ name }) => name)).toEqual(['bm25', 'bm25 mmr', 'bm25 neighbours']);
  const { arms: plain } = await armsOf(chunks, {
    embedder: rememberVectors(embedder),
    situated: false,
    took: () => {},
  });
  expect(plain.map(({ name }) => name)).toEqual(
    arms.map(({ name }) => name).filter((name) => !/joined|mean/.test(name)),
  );
});
