import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  beamSelector,
  coragPublished,
  coragSelector,
  coverageValue,
  exactSelector,
  greedySelector,
  randomSelector,
  rankOrder,
  SelectionTooLargeError,
  type Selector,
} from '../../../lib/index.js';
import { bestByForce, candidate, idsOf, request, valueOfIds } from './support.js';

/** Chunks by number, with worths of their own and of pairs, for better or worse. */
const world = fc.record({
  costs: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 }),
  alone: fc.array(fc.integer({ min: -5, max: 10 }), { minLength: 6, maxLength: 6 }),
  pairs: fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 36, maxLength: 36 }),
  budget: fc.integer({ min: 1, max: 90 }),
});

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

function worthIn({ alone, pairs }: World, members: readonly number[]): number {
  return members.reduce((sum, a) => {
    const together = members.filter((b) => b < a).map((b) => pairs[6 * a + b] as number);
    return together.reduce((more, worth) => more + worth, sum + (alone[a] as number));
  }, 0);
}

function requestIn(one: World) {
  return request(
    one.costs.map((cost, i) => candidate(`${i}`, cost, 10 - i)),
    {
      budget: one.budget,
      order: rankOrder,
      value: valueOfIds((ids) => worthIn(one, ids.map(Number))),
    },
  );
}

const thatFindTheBest: Record<string, Selector> = {
  exact: exactSelector(),
  'a beam as wide as all sets': beamSelector({ width: 64, branch: 6 }),
  'the published tree search with an evaluation for each set': coragSelector({
    ...coragPublished,
    evaluations: 64,
  }),
  'the same, two children at a time': coragSelector({
    ...coragPublished,
    branch: 2,
    evaluations: 64,
  }),
};

test.each(Object.entries(thatFindTheBest))('%s finds the best set', async (_, selector) => {
  await fc.assert(
    fc.asyncProperty(world, async (one) => {
      const { value, stopped } = await selector.select(requestIn(one));
      const best = bestByForce(one.costs, one.budget, (members) => worthIn(one, members));
      expect([value, stopped]).toEqual([best, 'done']);
    }),
    { numRuns: 40 },
  );
});

test('the tree search with completions is between its first sets and the best one', async () => {
  await fc.assert(
    fc.asyncProperty(world, async (one) => {
      const { value, evaluations } = await coragSelector({ evaluations: 30 }).select(
        requestIn(one),
      );
      const best = bestByForce(one.costs, one.budget, (members) => worthIn(one, members));
      expect(value).toBeLessThanOrEqual(best);
      expect(value).toBeGreaterThanOrEqual(0);
      expect(evaluations).toBeLessThanOrEqual(30);
    }),
    { numRuns: 40 },
  );
});

test('greedy by value is within 1 - 1/e of the best where values are monotone and submodular', async () => {
  const facts = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 5 }), {
    minLength: 2,
    maxLength: 9,
  });
  await fc.assert(
    fc.asyncProperty(facts, fc.integer({ min: 1, max: 4 }), async (told, size) => {
      const candidates = told.map((list, i) => candidate(`${i}`, 10, 1 - i / 10, list.join(' ')));
      const value = coverageValue({
        factsOf: ({ chunk }) =>
          new Map(chunk.text === '' ? [] : chunk.text.split(' ').map((fact) => [fact, 1])),
      });
      const { value: found } = await greedySelector({ by: 'value', batch: 1 }).select(
        request(candidates, { budget: 10 * size, value }),
      );
      const best = bestByForce(
        told.map(() => 10),
        10 * size,
        (members) => new Set(members.flatMap((i) => told[i] as number[])).size,
      );
      expect(found).toBeGreaterThanOrEqual((1 - 1 / Math.E) * best - 1e-9);
    }),
    { numRuns: 40 },
  );
});

test('a pair that is worth something only together is found by the tree search and missed by greed', async () => {
  // Twelve chunks; one is worth 1 alone, two in the middle 5 together and nothing alone.
  const candidates = Array.from({ length: 12 }, (_, i) => candidate(`${i}`, 10, 1 - i / 12));
  const value = valueOfIds(
    (ids) => Number(ids.includes('0')) + (ids.includes('6') && ids.includes('9') ? 5 : 0),
  );
  const given = request(candidates, { budget: 40, value });
  const greedy = await greedySelector().select(given);
  expect(greedy.value).toBe(1);
  const { value: found, chunks } = await coragSelector().select(given);
  expect(found).toBe(6);
  expect(idsOf(chunks)).toEqual(expect.arrayContaining(['0', '6', '9']));
});

test('what is worth less than nothing is left out', async () => {
  const candidates = ['a', 'b', 'c'].map((id) => candidate(id, 10, 1));
  const value = valueOfIds((ids) => -ids.length);
  for (const selector of [greedySelector(), beamSelector(), coragSelector(), exactSelector()]) {
    const { chunks, value: worth } = await selector.select(request(candidates, { value }));
    expect([chunks, worth]).toEqual([[], -0]);
  }
});

test('value for the cost takes the small ones, value alone the big one', async () => {
  const candidates = [candidate('big', 90, 1), candidate('s1', 30, 0.9), candidate('s2', 30, 0.8)];
  const worth: Record<string, number> = { big: 5, s1: 4, s2: 4 };
  const value = valueOfIds((ids) => ids.reduce((sum, id) => sum + (worth[id] as number), 0));
  const given = request(candidates, { value });
  expect(idsOf((await greedySelector({ by: 'value' }).select(given)).chunks)).toEqual(['big']);
  const { chunks } = await greedySelector({ by: 'value-per-cost' }).select(given);
  expect(idsOf(chunks)).toEqual(['s1', 's2']);
});

test('siblings are judged in one call, each set once, within the number of evaluations', async () => {
  const candidates = Array.from({ length: 20 }, (_, i) => candidate(`${i}`, 10, 1 - i / 20));
  for (const options of [{ evaluations: 41 }, { ...coragPublished, evaluations: 41 }]) {
    const calls: string[][] = [];
    const value = {
      name: 'recorded',
      of: async (sets: readonly (readonly { chunk: { id: string } }[])[]) => {
        calls.push(sets.map((set) => set.map(({ chunk }) => chunk.id).join()));
        return sets.map((set) => set.length);
      },
    };
    const { evaluations } = await coragSelector(options).select(
      request(candidates, { budget: 60, value }),
    );
    const asked = calls.flat();
    expect(new Set(asked).size).toBe(asked.length);
    expect(asked.length).toBe(evaluations);
    expect(evaluations).toBeLessThanOrEqual(41);
    expect(calls.length).toBeLessThan(evaluations / 2);
  }
});

test('orders are searched where that is asked for: the tree is the order of the prompt', async () => {
  const candidates = ['a', 'b', 'c'].map((id) => candidate(id, 10, 1));
  const value = valueOfIds((ids) => (ids.join('') === 'cab' ? 2 : ids.length / 10));
  const { chunks } = await coragSelector({ ...coragPublished, ordered: true }).select(
    request(candidates, { value }),
  );
  expect(idsOf(chunks)).toEqual(['c', 'a', 'b']);
});

test('other seeds may find others; one seed finds the same', async () => {
  const candidates = Array.from({ length: 40 }, (_, i) => candidate(`${i}`, 10, 1 - i / 40));
  const value = valueOfIds((ids) => ids.reduce((sum, id) => sum + Math.sin(Number(id) ** 2), 0));
  const given = request(candidates, { value, budget: 80 });
  const found = async (seed: number) => [
    idsOf((await randomSelector({ seed, evaluations: 20 }).select(given)).chunks).join(),
    idsOf((await coragSelector({ seed, evaluations: 20 }).select(given)).chunks).join(),
  ];
  expect(await found(1)).toEqual(await found(1));
  const several = await Promise.all([1, 2, 3, 4, 5].map(found));
  expect(new Set(several.map(([random]) => random)).size).toBeGreaterThan(1);
});

test('an exact search refuses what is too much before it judges anything', async () => {
  const candidates = Array.from({ length: 30 }, (_, i) => candidate(`${i}`, 10, 1));
  let isAsked = false;
  const value = valueOfIds(() => Number((isAsked = true)));
  const selecting = exactSelector({ maxSets: 1000 }).select(request(candidates, { value }));
  await expect(selecting).rejects.toThrow(SelectionTooLargeError);
  expect(isAsked).toBe(false);
  // Few sets fit, but too many are tried for it.
  const many = Array.from({ length: 3000 }, (_, i) => candidate(`${i}`, 60, 1));
  const tight = exactSelector({ maxSets: 3001 }).select(request(many, { value }));
  await expect(tight).rejects.toThrow(SelectionTooLargeError);
});
