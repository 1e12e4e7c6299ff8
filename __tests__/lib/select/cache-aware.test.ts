import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { cacheAwareSelector, type ScoredChunk, type SetCost } from '../../../lib/index.js';
import { candidate, idsOf, request } from './support.js';

/** 10 a chunk, or 1 where it is cached. */
const knowing = (cached: ReadonlySet<string>): SetCost => ({
  name: 'knowing',
  unit: 'milliseconds',
  of: (set) => set.reduce((sum, { chunk }) => sum + (cached.has(chunk.id) ? 1 : 10), 0),
});

const ranked = (count: number): ScoredChunk[] =>
  Array.from({ length: count }, (_, i) => candidate(`c${i + 1}`, 10, 1 / (i + 1)));

test('the best few are in whatever they cost; then cached ones come before dearer ones of higher rank', async () => {
  const cost = knowing(new Set(['c6', 'c7', 'c8']));
  const { chunks, decisions } = await cacheAwareSelector().select(
    request(ranked(8), { budget: 33, cost }),
  );
  expect(idsOf(chunks).toSorted()).toEqual(['c1', 'c2', 'c3', 'c6', 'c7', 'c8']);
  expect(decisions.map(({ chosen }) => chosen)).toEqual([1, 1, 1, 0, 0, 1, 1, 1].map(Boolean));
  expect(decisions[0]?.reason).toBe('among the best 3');
  expect(decisions[3]?.reason).toContain('no room was left in the budget');
  expect(decisions[5]?.reason).toBe('number 6, worth what it adds to the cost');
});

test('with one cost for all it goes by rank', async () => {
  for (const cached of [[], ranked(9).map(({ chunk }) => chunk.id)]) {
    const cost = knowing(new Set(cached));
    const budget = cost.of(ranked(9).slice(0, 5));
    const { chunks } = await cacheAwareSelector().select(request(ranked(9), { budget, cost }));
    expect(idsOf(chunks)).toEqual(['c1', 'c2', 'c3', 'c4', 'c5']);
  }
});

test('what is chosen is what adding the densest one by one gives, by force', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.nat(4),
      fc.integer({ min: 1, max: 150 }),
      async (all, sure, budget) => {
        const candidates = all.map((tokens, i) => candidate(`c${i}`, tokens, -i));
        const { chunks, cost } = await cacheAwareSelector({ sure, power: 1 }).select(
          request(candidates, { budget }),
        );
        const picked: number[] = [];
        let left = budget;
        const take = (place: number): void => {
          picked.push(place);
          left -= all[place] as number;
        };
        for (let i = 0; i < Math.min(sure, all.length); i++) if (all[i]! <= left) take(i);
        const density = (i: number) => 1 / (i + 1) / all[i]!;
        const others = all.map((_, i) => i).filter((i) => !picked.includes(i));
        for (const i of others.toSorted((a, b) => density(b) - density(a) || a - b)) {
          if (all[i]! <= left) take(i);
        }
        expect(idsOf(chunks).toSorted()).toEqual(picked.map((i) => `c${i}`).toSorted());
        expect(cost).toBe(budget - left);
      },
    ),
    { numRuns: 200 },
  );
});

test.each([
  [{ sure: -1 }, 'sure'],
  [{ sure: 1.5 }, 'sure'],
  [{ power: 0 }, 'power'],
  [{ power: Number.NaN }, 'power'],
])('%j is refused', (options, problem) => {
  expect(() => cacheAwareSelector(options)).toThrow(problem);
});

test('what is not worth its cost stays out, however much room is left; the sure ones come all the same', async () => {
  const cost = knowing(new Set(['c5', 'c6']));
  const { chunks, decisions } = await cacheAwareSelector({
    sure: 2,
    power: 1,
    leastPerCost: 0.03,
  }).select(request(ranked(6), { budget: 1000, cost }));
  // 1/3 for 10 is worth it, 1/4 for 10 is not, 1/5 and 1/6 for 1 are.
  expect(idsOf(chunks).toSorted()).toEqual(['c1', 'c2', 'c3', 'c5', 'c6']);
  expect(decisions[3]?.reason).toBe('not worth 10 more');
  const none = await cacheAwareSelector({ sure: 2, leastPerCost: 1e6 }).select(
    request(ranked(6), { budget: 1000, cost }),
  );
  expect(idsOf(none.chunks).toSorted()).toEqual(['c1', 'c2']);
});

test('scores weigh where they are asked to: a candidate far behind the best is worth less than its rank', async () => {
  const scores = [8, 7, 1, 0, -3];
  const candidates = scores.map((score, i) => candidate(`c${i + 1}`, 10, score));
  const options = { sure: 1, power: 1, leastPerCost: 0.01 };
  const byRank = await cacheAwareSelector(options).select(request(candidates, { budget: 100 }));
  expect(byRank.chunks).toHaveLength(5);
  const byScore = await cacheAwareSelector({ ...options, scorePower: 2 }).select(
    request(candidates, { budget: 100 }),
  );
  expect(idsOf(byScore.chunks)).toEqual(['c1', 'c2']);
  // Without any score above 0 only ranks count.
  const dark = candidates.map(({ chunk }, i) => ({ chunk, score: -i }));
  const { chunks } = await cacheAwareSelector({ ...options, scorePower: 2 }).select(
    request(dark, { budget: 100 }),
  );
  expect(chunks).toHaveLength(5);
});

test('refuses powers and prices that are none', async () => {
  for (const bad of [-1, NaN, Infinity]) {
    expect(() => cacheAwareSelector({ scorePower: bad })).toThrow(`scorePower is ${bad}`);
    expect(() => cacheAwareSelector({ leastPerCost: bad })).toThrow(`leastPerCost is ${bad}`);
  }
});
