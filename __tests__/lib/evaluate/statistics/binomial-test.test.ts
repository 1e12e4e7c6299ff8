import { expect, test } from '@jest/globals';
import { InvalidArgumentError } from '../../../../lib/index.js';
import { binomialTest } from '../../../../lib/evaluate/index.js';

test('the binomial test counts the outcomes that are at least as good', () => {
  expect(binomialTest(0, 7)).toBeCloseTo(1, 12);
  expect(binomialTest(0, 0)).toBe(1);
  expect(binomialTest(4, 4)).toBeCloseTo(1 / 16, 12);
  // 120 + 45 + 10 + 1 of 1,024.
  expect(binomialTest(7, 10)).toBeCloseTo(176 / 1024, 12);
  // Two sixes or three with three dice: (3 * 5 + 1) / 216.
  expect(binomialTest(2, 3, 1 / 6)).toBeCloseTo(16 / 216, 12);
});

test('large counts stay finite, and are what the normal distribution gives', () => {
  // z = (5100 - 0.5 - 5000) / 50 = 1.99; beyond it lies 0.0233.
  expect(binomialTest(5100, 10_000)).toBeCloseTo(0.0233, 3);
  expect(binomialTest(5000, 10_000)).toBeGreaterThan(0.5);
});

test.each([
  [3, 2, 0.5],
  [-1, 2, 0.5],
  [0.5, 2, 0.5],
  [1, 2, 0],
  [1, 2, 1],
])('%d right of %d at a chance of %d is refused', (right, trials, chance) => {
  expect(() => binomialTest(right, trials, chance)).toThrow(InvalidArgumentError);
});
