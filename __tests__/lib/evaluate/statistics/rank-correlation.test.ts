import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { InvalidArgumentError } from '../../../../lib/index.js';
import { rankCorrelation, ranks } from '../../../../lib/evaluate/index.js';

test('equal values share the mean of their ranks', () => {
  expect([...ranks([10, 30, 20])]).toEqual([1, 3, 2]);
  expect([...ranks([5, 1, 5, 5, 9])]).toEqual([3, 1, 3, 3, 5]);
  expect([...ranks([])]).toEqual([]);
});

test('the rank correlation has its worked values', () => {
  expect(rankCorrelation([1, 2, 3], [10, 100, 1000])).toBe(1);
  expect(rankCorrelation([1, 2, 3, 4], [4, 3, 2, 1])).toBe(-1);
  // Without ties 1 - 6 sum(d^2) / (n (n^2 - 1)); hours of television and IQ, d^2 add up to 194 of n = 10.
  const iq = [86, 97, 99, 100, 101, 103, 106, 110, 112, 113];
  const hours = [2, 20, 28, 27, 50, 29, 7, 17, 6, 12];
  expect(rankCorrelation(iq, hours)).toBeCloseTo(1 - (6 * 194) / (10 * 99), 12);
  // With ties, ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: 4.5 / sqrt(4.5 * 5).
  expect(rankCorrelation([1, 2, 2, 3], [1, 3, 2, 4])).toBeCloseTo(4.5 / Math.sqrt(22.5), 12);
  expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeNaN();
  expect(rankCorrelation([1], [1])).toBeNaN();
  expect(() => rankCorrelation([1, 2], [1])).toThrow(InvalidArgumentError);
});

test('it stays the same under what keeps the order, and changes sign where one side is turned', () => {
  const pairs = fc.array(
    fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 })),
    {
      minLength: 2,
      maxLength: 30,
    },
  );
  fc.assert(
    fc.property(pairs, (list) => {
      const [a, b] = [list.map(([x]) => x), list.map(([, y]) => y)];
      const rho = rankCorrelation(a, b);
      fc.pre(!Number.isNaN(rho));
      expect(Math.abs(rho)).toBeLessThanOrEqual(1);
      expect(rankCorrelation(b, a)).toBeCloseTo(rho, 12);
      expect(rankCorrelation(a.map(Math.exp), b)).toBeCloseTo(rho, 12);
      expect(
        rankCorrelation(
          a,
          b.map((y) => -(y ** 3)),
        ),
      ).toBeCloseTo(-rho, 12);
    }),
  );
});
