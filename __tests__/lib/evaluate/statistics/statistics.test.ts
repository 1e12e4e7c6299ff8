import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { InvalidArgumentError } from '../../../../lib/index.js';
import {
  bootstrap,
  bootstrapMean,
  bootstrapShareClosed,
  halfOf,
  holm,
  isEquivalent,
  mean,
  meanHeight,
  median,
  pairedTest,
  quantile,
} from '../../../../lib/evaluate/index.js';
import { seededNormals, seededRandom } from '../../../../lib/random.js';

test('means, medians and quantiles have their worked values', () => {
  expect(mean([1, 2, 6])).toBe(3);
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(quantile([1, 2, 3, 4, 5], 0.25)).toBe(2);
  expect(quantile([10, 20], 0.95)).toBeCloseTo(19.5, 12);
  expect(quantile([7], 0.3)).toBe(7);
  expect(() => quantile([1], 1.1)).toThrow(InvalidArgumentError);
});

test('the bootstrap interval of a mean covers the truth about as often as it says', () => {
  const random = seededRandom(4);
  let covered = 0;
  const rounds = 300;
  for (let round = 0; round < rounds; round++) {
    const values = seededNormals(random, 30, 2);
    const { low, high } = bootstrapMean(values, { samples: 300, seed: round + 1 });
    if (low <= 0 && high >= 0) covered++;
  }
  // The percentile interval of 30 values covers some 93%.
  expect(covered / rounds).toBeGreaterThan(0.88);
  expect(covered / rounds).toBeLessThan(0.98);
});

test('the same seed gives the same interval, and the value lies in it', () => {
  const values = [3, 1, 4, 1, 5, 9, 2, 6];
  const once = bootstrapMean(values, { seed: 5 });
  expect(bootstrapMean(values, { seed: 5 })).toEqual(once);
  expect(bootstrapMean(values, { seed: 6 })).not.toEqual(once);
  expect(once.value).toBe(mean(values));
  expect(once.low).toBeLessThan(once.value);
  expect(once.high).toBeGreaterThan(once.value);
  const wider = bootstrapMean(values, { seed: 5, confidence: 0.99 });
  expect(wider.low).toBeLessThanOrEqual(once.low);
});

test('a share that is closed is a ratio of sums, not a mean of ratios', () => {
  const { value, low, high } = bootstrapShareClosed([1, 0.01], [0.5, 0.02]);
  expect(value).toBeCloseTo(1 - 0.52 / 1.01, 12);
  expect(low).toBeLessThanOrEqual(value);
  expect(high).toBeGreaterThanOrEqual(value);
  expect(bootstrapShareClosed([2, 4, 6], [0, 0, 0])).toEqual({ value: 1, low: 1, high: 1 });
  expect(() => bootstrapShareClosed([1], [1, 2])).toThrow(InvalidArgumentError);
});

test('cases are drawn whole', () => {
  bootstrap(
    4,
    (drawn) => {
      expect(drawn).toHaveLength(4);
      expect(drawn.every((i) => i >= 0 && i < 4)).toBe(true);
      return drawn[0]!;
    },
    { samples: 50 },
  );
});

test.each([
  () => bootstrapMean([]),
  () => bootstrapMean([1], { confidence: 1 }),
  () => bootstrapMean([1], { samples: 0 }),
])('what cannot be is refused (%#)', (call) => {
  expect(call).toThrow(InvalidArgumentError);
});

test('the paired test is exact where cases are few', () => {
  // All four differences have one sign: 2 of 16 sign patterns are as extreme.
  expect(pairedTest([2, 3, 4, 5], [1, 1, 1, 1])).toEqual({ difference: 2.5, p: 2 / 16 });
  // Differences 3, -1, 1: sums of signed values with |sum| >= 3 are ±5, ±3, ±3.
  expect(pairedTest([3, 0, 1], [0, 1, 0]).p).toBeCloseTo(6 / 8, 12);
  expect(pairedTest([1, 2], [1, 2])).toEqual({ difference: 0, p: 1 });
});

test('where cases are many, drawn signs come near the exact value', () => {
  const random = seededRandom(9);
  const a = seededNormals(random, 14, 1).map((value) => value + 0.5);
  const zeros = new Float64Array(14);
  const exact = pairedTest(a, zeros).p;
  // Cases that tie change nothing, but make it draw.
  const drawn = pairedTest([...a, 0], [...zeros, 0], { samples: 20_000 }).p;
  expect(Math.abs(drawn - exact)).toBeLessThan(0.01);
});

test('without a difference, small p-values are as rare as they should be', () => {
  const random = seededRandom(21);
  let rare = 0;
  for (let round = 0; round < 400; round++) {
    const [a, b] = [seededNormals(random, 8, 1), seededNormals(random, 8, 1)];
    if (pairedTest(a, b).p <= 0.05) rare++;
  }
  expect(rare / 400).toBeGreaterThan(0.02);
  expect(rare / 400).toBeLessThan(0.085);
});

test('Holm’s method has its worked values', () => {
  expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02]);
  expect(holm([0.6, 0.5])).toEqual([1, 1]);
  expect(holm([])).toEqual([]);
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (ps) => {
      const adjusted = holm(ps);
      for (const [i, p] of ps.entries()) {
        expect(adjusted[i]).toBeGreaterThanOrEqual(p);
        expect(adjusted[i]).toBeLessThanOrEqual(1);
      }
    }),
  );
});

test('equivalence needs an interval within the margin', () => {
  const random = seededRandom(3);
  const a = seededNormals(random, 60, 0.05);
  const b = a.map((value, i) => value + (i % 2 ? 0.01 : -0.01));
  expect(isEquivalent(a, b, 0.02)).toBe(true);
  expect(
    isEquivalent(
      a,
      b.map((value) => value + 0.05),
      0.02,
    ),
  ).toBe(false);
  expect(isEquivalent([0, 1], [1, 0], 0.02)).toBe(false);
});

test('the mean height is the area under the lines over their width', () => {
  const points = [
    { x: 0, y: 4 },
    { x: 2, y: 0 },
    { x: 4, y: 2 },
  ];
  // 4 under the first line, 2 under the second.
  expect(meanHeight(points, 0, 4)).toBeCloseTo(1.5, 12);
  expect(meanHeight(points, 1, 3)).toBeCloseTo((1 + 0.5) / 2, 12);
  // Level beyond its ends.
  expect(meanHeight(points, -2, 0)).toBe(4);
  expect(meanHeight(points, 5, 6)).toBe(2);
  expect(meanHeight([points[2]!, points[0]!, points[1]!], 0, 4)).toBeCloseTo(1.5, 12);
  expect(() => meanHeight([], 0, 1)).toThrow(InvalidArgumentError);
  expect(() => meanHeight(points, 1, 1)).toThrow(InvalidArgumentError);
});

test('a text stays in its half, and halves are about equal', () => {
  const texts = Array.from({ length: 2000 }, (_, i) => `What is question ${i}?`);
  const held = texts.filter((text) => halfOf(text) === 'held-out').length;
  expect(held / texts.length).toBeGreaterThan(0.45);
  expect(held / texts.length).toBeLessThan(0.55);
  expect(halfOf('What did the president say?')).toBe(halfOf('What did the president say?'));
});
