import { expect, test } from '@jest/globals';
import type { Judge } from '../../../bench/retrieval/judge.js';
import { subsetOf } from '../../../bench/retrieval/subset.js';
import { cut } from '../../lib/retrieve/support.js';

const chunks = cut(
  'd',
  Array.from({ length: 40 }, (_, i) => `passage ${i} `),
);

function wanting(...ids: readonly number[]): Judge {
  const wanted = new Set(ids.map((i) => chunks[i]!.id));
  return {
    ideal: [1],
    gains: (hits) => hits.map(({ id }) => (wanted.has(id) ? 1 : 0)),
    precision: () => 0,
  };
}

test('what answers is in, others by chance up to the number, in their old order, the same for one seed', () => {
  const judges = [wanting(30, 3), wanting(17)];
  const some = subsetOf(chunks, judges, { most: 12, seed: 1 });
  expect(some).toHaveLength(12);
  for (const i of [3, 17, 30]) expect(some).toContain(chunks[i]);
  const places = some.map((chunk) => chunks.indexOf(chunk));
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(subsetOf(chunks, judges, { most: 12, seed: 1 })).toEqual(some);
  expect(subsetOf(chunks, judges, { most: 12, seed: 2 })).not.toEqual(some);
});

test('all that answers is in even where it is more, and no more than there is', () => {
  expect(subsetOf(chunks, [wanting(1, 2, 5)], { most: 2, seed: 1 })).toEqual(
    [1, 2, 5].map((i) => chunks[i]),
  );
  expect(subsetOf(chunks, [wanting(1)], { most: 100, seed: 1 })).toEqual(chunks);
});
