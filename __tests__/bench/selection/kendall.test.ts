import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { areaUnderRoc, kendall } from '../../../bench/selection/engine/kendall.js';

test('agreement, opposition, ties and nothing to compare', () => {
  expect(kendall([1, 2, 3], [10, 20, 30])).toBe(1);
  expect(kendall([1, 2, 3], [3, 2, 1])).toBe(-1);
  // One swapped pair of six: (5 - 1) / 6.
  expect(kendall([1, 2, 3, 4], [1, 2, 4, 3])).toBeCloseTo(4 / 6);
  // Five pairs untied on the left, six on the right, all of the five in the same order.
  expect(kendall([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(5 / Math.sqrt(30));
  expect(kendall([1, 1], [1, 2])).toBeNaN();
});

test('monotone changes of either side change nothing', () => {
  const values = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 2, maxLength: 12 });
  fc.assert(
    fc.property(values, fc.infiniteStream(fc.integer({ min: -9, max: 9 })), (a, stream) => {
      const b = [...stream.take(a.length)];
      const tau = kendall(a, b);
      fc.pre(!Number.isNaN(tau));
      expect(
        kendall(
          a.map((x) => x ** 3),
          b.map((x) => 2 * x + 1),
        ),
      ).toBeCloseTo(tau, 10);
      expect(kendall(b, a)).toBeCloseTo(tau, 10);
    }),
  );
});

test('the area is the share of pairs in order', () => {
  expect(areaUnderRoc([2, 3], [0, 1])).toBe(1);
  expect(areaUnderRoc([1], [1])).toBe(0.5);
  expect(areaUnderRoc([0, 2], [1])).toBe(0.5);
});

test('pairs that are nearly tied in the second list count for nothing where they are left out', () => {
  expect(kendall([1, 2, 3], [1, 1.01, 3], 0.1)).toBe(1);
  expect(kendall([2, 1, 3], [1, 1.01, 3], 0.1)).toBe(1);
  expect(kendall([2, 1, 3], [1, 1.01, 3])).toBeCloseTo(1 / 3);
  expect(kendall([1, 2], [1, 1.01], 0.1)).toBeNaN();
});
