import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { runSteps } from '../../../lib/pace.js';
import { mmrRetriever, mostMarginal } from '../../../lib/retrieve/mmr.js';
import type { Similarity } from '../../../lib/retrieve/similarity.js';
import type { ScoredChunk } from '../../../lib/retrieve/retriever.js';
import { termSimilarity, vectorSimilarity } from '../../../lib/retrieve/similarity.js';
import { HashingEmbedder } from '../../../lib/testing/fake/hashing-embedder.js';
import { chunk, fixedRetriever, idsOf, scored } from './support.js';

const [a, b, c] = ['a', 'b', 'c'].map((id, i) => chunk(id, id, { start: i }));
const hits = scored([a!, 5], [b!, 4], [c!, 1]);
const table = [
  [1, 0.9, 0.2],
  [0.9, 1, 0.1],
  [0.2, 0.1, 1],
];
const alike = (i: number, j: number) => table[i]![j]!;

const chosen = (
  among: readonly ScoredChunk[],
  similarity: Similarity,
  options: { lambda: number; k: number },
) => runSteps(mostMarginal(among, similarity, options));

describe('the choice', () => {
  test('worked by hand', async () => {
    // Relevance 1, 0.75, 0. Second: b 0.375 - 0.45, c 0 - 0.1. Third: c 0 - 0.5 * 0.2.
    expect(await chosen(hits, alike, { lambda: 0.5, k: 3 })).toEqual([
      { chunk: a, score: 0.5 },
      { chunk: b, score: expect.closeTo(-0.075) },
      { chunk: c, score: expect.closeTo(-0.1) },
    ]);
    // Second: b 0.3 - 0.54, c 0 - 0.12.
    expect(idsOf(await chosen(hits, alike, { lambda: 0.4, k: 2 }))).toEqual(['a', 'c']);
  });

  test('all relevance leaves the order; all novelty goes for what differs most', async () => {
    expect(idsOf(await chosen(hits, alike, { lambda: 1, k: 3 }))).toEqual(['a', 'b', 'c']);
    expect(idsOf(await chosen(hits, alike, { lambda: 0, k: 3 }))).toEqual(['a', 'c', 'b']);
  });

  test('each step takes the best by the published formula', async () => {
    const shares = fc.double({ min: 0, max: 1, noNaN: true });
    await fc.assert(
      fc.asyncProperty(
        fc.array(shares, { minLength: 1, maxLength: 7 }),
        fc.array(shares, { minLength: 49, maxLength: 49 }),
        shares,
        async (scores, similarities, lambda) => {
          const list = scores
            .toSorted((x, y) => y - x)
            .map((score, i) => ({ chunk: chunk(`${i}`, 'x', { start: i }), score }));
          const similarity = (i: number, j: number) =>
            similarities[Math.min(i, j) * 7 + Math.max(i, j)]!;
          const found = await chosen(list, similarity, { lambda, k: list.length });
          const [high, low] = [list[0]!.score, list.at(-1)!.score];
          const relevance = (i: number) => (high > low ? (list[i]!.score - low) / (high - low) : 1);
          const taken: number[] = [];
          for (const hit of found) {
            const value = (i: number) =>
              lambda * relevance(i) -
              (1 - lambda) * Math.max(0, ...taken.map((j) => similarity(i, j)));
            const left = list.map((_, i) => i).filter((i) => !taken.includes(i));
            expect(hit.score).toBeCloseTo(Math.max(...left.map(value)), 9);
            taken.push(Number(hit.chunk.id));
          }
          expect(new Set(taken).size).toBe(list.length);
        },
      ),
    );
  });
});

test('a passage said twice comes once before others, whatever compares them', async () => {
  const twice = 'Bees dance to tell where flowers are';
  const listed = scored(
    [chunk('one', twice), 9],
    [chunk('two', `${twice}.`, { start: 50 }), 8.9],
    [chunk('other', 'Tides follow the moon.', { start: 100 }), 4],
    [chunk('last', 'Nothing of note.', { start: 150 }), 1],
  );
  for (const similarity of [undefined, vectorSimilarity(new HashingEmbedder())]) {
    const retriever = mmrRetriever(fixedRetriever(listed), {
      lambda: 0.5,
      ...(similarity && { similarity }),
    });
    expect(idsOf(await retriever.search('bees', { k: 2 }))).toEqual(['one', 'other']);
    expect(retriever.size).toBe(4);
    expect([...retriever.chunks!()]).toHaveLength(4);
  }
});

test('terms are compared by the cosine of their counts', async () => {
  const alike = await termSimilarity()(
    ['sea sea moon', 'the sea', 'and of the', 'bread'].map((text, i) => chunk(`${i}`, text)),
    {},
  );
  // (2, 1) and (1, 0).
  expect(alike(0, 1)).toBeCloseTo(2 / Math.sqrt(5), 12);
  expect(alike(0, 0)).toBeCloseTo(1, 12);
  expect([alike(0, 2), alike(2, 2), alike(0, 3)]).toEqual([0, 0, 0]);
});

test('vectors are made once, and the oldest are forgotten', async () => {
  const embedder = new HashingEmbedder();
  const measure = vectorSimilarity(embedder, 2);
  const of = (...texts: string[]) =>
    measure(
      texts.map((text, i) => chunk(`${i}`, text)),
      {},
    );
  expect((await of('sea', 'sea', 'moon'))(0, 1)).toBeCloseTo(1, 6);
  await of('moon', 'sun', 'star');
  expect(embedder.seen).toEqual(['sea', 'moon', 'sun', 'star']);
  await of('sun', 'star', 'sea');
  expect(embedder.seen.slice(4)).toEqual(['sea']);
});

test('many candidates leave the event loop its turns, and an abort ends the choice', async () => {
  const many = Array.from({ length: 20_000 }, (_, i) => ({
    chunk: chunk(`${i}`, `text ${i}`, { start: i }),
    score: -i,
  }));
  const controller = new AbortController();
  const searching = mmrRetriever(fixedRetriever(many)).search('x', {
    k: 20_000,
    signal: controller.signal,
  });
  setTimeout(() => controller.abort(new Error('stop')), 0);
  await expect(searching).rejects.toThrow('stop');
});

test('what cannot be is refused', async () => {
  const inner = fixedRetriever(hits);
  expect(() => mmrRetriever(inner, { lambda: 1.1 })).toThrow('lambda must be');
  expect(() => mmrRetriever(inner, { lambda: NaN })).toThrow('lambda must be');
  expect(() => mmrRetriever(inner, { pool: 0 })).toThrow('pool must be');
  await expect(mmrRetriever(inner).search('x', { k: 0 })).rejects.toThrow('k must be');
  expect(await mmrRetriever(fixedRetriever([])).search('x', { k: 3 })).toEqual([]);
});
