import { expect, test } from '@jest/globals';
import { rerankedArms } from '../../../bench/retrieval/reranked.js';
import { bm25Retriever, type Reranker } from '../../../lib/index.js';
import { cut } from '../../lib/retrieve/support.js';

const chunks = cut('d', [
  'the moon moves the tides ',
  'tides of the moon and of the sun ',
  'the moon ',
  'tides ',
  'moon moon tides tides ',
]);
const question = 'moon tides';

/** Likes long passages, and counts what it is asked. */
function byLength(): Reranker & { asked: number } {
  return {
    name: 'length',
    asked: 0,
    async rerank({ candidates }) {
      this.asked += candidates.length;
      return candidates
        .map((hit) => ({ ...hit, score: hit.chunk.text.length }))
        .toSorted((a, b) => b.score - a.score);
    },
  };
}

test('the pool is ordered anew, what is behind it stays, and a passage is judged once', async () => {
  const lexical = bm25Retriever();
  await lexical.add(chunks);
  const other = bm25Retriever();
  await other.add(chunks);
  const before = (await lexical.search(question, { k: 5 })).map(({ chunk }) => chunk);
  const reranker = byLength();
  const arms = rerankedArms({
    bases: { words: lexical, again: other },
    rerankers: { length: reranker },
    pool: 3,
  });
  expect(arms.map(({ name, base }) => [name, base])).toEqual([
    ['words by length', 'words'],
    ['again by length', 'again'],
  ]);
  const found: string[][] = [];
  for (const { settings } of arms) {
    for (const { retriever } of settings) {
      const hits = await retriever.search(question, { k: 5 });
      found.push(hits.map(({ chunk }) => chunk.id));
      expect(hits.slice(3).map(({ chunk }) => chunk)).toEqual(before.slice(3));
    }
  }
  const byHand = [
    ...before.slice(0, 3).toSorted((a, b) => b.text.length - a.text.length),
    ...before.slice(3),
  ];
  expect(found[0]).toEqual(byHand.map(({ id }) => id));
  expect(reranker.asked).toBe(3);
  // The more of the base's scores, the nearer to its order.
  expect(found[9]).toEqual(before.map(({ id }) => id));
  const few = await arms[0]!.settings[0]!.retriever.search(question, { k: 2 });
  expect(few.map(({ chunk }) => chunk.id)).toEqual(found[0]!.slice(0, 2));
});
