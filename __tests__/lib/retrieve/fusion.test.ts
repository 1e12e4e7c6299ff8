import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { fuse, normalised } from '../../../lib/retrieve/fusion.js';
import { chunk, idsOf, scored } from './support.js';

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((id, i) => chunk(id, id, { start: i, end: i + 1 }));

const lexical = { weight: 1, hits: scored([a!, 9], [b!, 5], [c!, 1]) };
const dense = { weight: 1, hits: scored([c!, 0.9], [b!, 0.8], [d!, 0.4]) };

test('reciprocal rank: worked by hand', () => {
  const fused = fuse([lexical, dense], { kind: 'reciprocal-rank' });
  // c: 1/63 + 1/61, b: 2/62, a: 1/61, d: 1/63.
  expect(idsOf(fused)).toEqual(['c', 'b', 'a', 'd']);
  expect(fused.map(({ score }) => score)).toEqual([
    expect.closeTo(0.0322665, 7),
    expect.closeTo(0.0322581, 7),
    expect.closeTo(0.0163934, 7),
    expect.closeTo(0.015873, 7),
  ]);
});

test('the constant is an option, and weights count', () => {
  const fused = fuse([lexical, { ...dense, weight: 3 }], { kind: 'reciprocal-rank', k: 0 });
  // c: 1/3 + 3, b: 1/2 + 3/2, a: 1, d: 3/3.
  expect(fused.map(({ chunk, score }) => [chunk.id, score])).toEqual([
    ['c', expect.closeTo(10 / 3)],
    ['b', 2],
    ['a', 1],
    ['d', 1],
  ]);
});

test('weighted min-max: worked by hand', () => {
  const fused = fuse([lexical, { ...dense, weight: 2 }], { kind: 'weighted' });
  // Lexical a 1, b 0.5, c 0; dense, twice: c 2, b 1.6, d 0; who is absent has 0.
  expect(fused.map(({ chunk, score }) => [chunk.id, score])).toEqual([
    ['b', expect.closeTo(2.1)],
    ['c', expect.closeTo(2)],
    ['a', expect.closeTo(1)],
    ['d', expect.closeTo(0)],
  ]);
});

test('weighted z-score: worked by hand', () => {
  const fused = fuse([lexical, dense], { kind: 'weighted', normalise: 'z-score' });
  // Lexical: mean 5, deviation sqrt(32/3). Dense: mean 0.7, deviation sqrt(0.14/3).
  const z = Math.sqrt(1.5);
  const [dc, db, dd] = [0.2, 0.1, -0.3].map((x) => x / Math.sqrt(0.14 / 3));
  expect(fused.map(({ chunk, score }) => [chunk.id, score])).toEqual([
    ['b', expect.closeTo(db!)],
    ['a', expect.closeTo(z + dd!)],
    ['c', expect.closeTo(dc! - z)],
    ['d', expect.closeTo(dd! - z)],
  ]);
});

test('where scores do not differ, being found counts 1 and absence 0', () => {
  expect(normalised([2, 2], 'z-score')).toEqual([1, 1]);
  for (const normalise of ['min-max', 'z-score'] as const) {
    const fused = fuse([{ weight: 1, hits: scored([b!, 3]) }, { weight: 1, hits: [] }, lexical], {
      kind: 'weighted',
      normalise,
    });
    expect(fused[0]?.chunk.id).toBe(normalise === 'min-max' ? 'b' : 'a');
  }
});

/** Chunks with these scores, numbered from `from` on. */
const listed = (scores: readonly number[], from: number) => ({
  weight: 1,
  hits: scored(
    ...[...scores]
      .sort((x, y) => y - x)
      .map((score, i) => [chunk(`${from + i}`, 'x', { start: from + i }), score] as const),
  ),
});

test('reciprocal rank hears no scores, weighted fusion no scale: any line through them gives the same', () => {
  const list = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { minLength: 2, maxLength: 8 });
  fc.assert(
    fc.property(list, list, fc.constantFrom(0.5, 3, 1000), (one, other, factor) => {
      const [left, right] = [listed(one, 0), listed(other, 4)];
      const moved = {
        ...right,
        hits: right.hits.map((hit) => ({ ...hit, score: hit.score * factor + 7 })),
      };
      for (const fusion of [
        { kind: 'reciprocal-rank' },
        { kind: 'weighted' },
        { kind: 'weighted', normalise: 'z-score' },
      ] as const) {
        expect(idsOf(fuse([left, moved], fusion))).toEqual(idsOf(fuse([left, right], fusion)));
      }
    }),
  );
});
