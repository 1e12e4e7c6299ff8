import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  coveredLength,
  normalisedGain,
  recallAt,
  reciprocalRank,
  sharedLength,
  fittingHits,
} from '../../../../lib/evaluate/index.js';

describe('gains', () => {
  // Two of four relevant passages, at ranks 2 and 5.
  const gains = [0, 0.25, 0, 0, 0.25, 0];
  const ideal = [0.25, 0.25, 0.25, 0.25];

  test('worked by hand', () => {
    expect([1, 2, 4, 5, 99].map((k) => recallAt(gains, k))).toEqual([0, 0.25, 0.25, 0.5, 0.5]);
    expect(reciprocalRank(gains)).toBe(0.5);
    expect(reciprocalRank([0, 0])).toBe(0);
    // (1 / log2(3) + 1 / log2(6)) / (1 + 1 / log2(3) + 1 / 2 + 1 / log2(5)) = 1.01778 / 2.56161
    expect(normalisedGain(gains, ideal, 10)).toBeCloseTo(0.39732, 5);
    // Within the first two: 0.63093 / 1.63093
    expect(normalisedGain(gains, ideal, 2)).toBeCloseTo(0.38685, 5);
    expect(normalisedGain([], [], 10)).toBe(0);
  });

  test('the best ranking has 1, whatever the order of the ideal; any other has less', () => {
    const shares = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(shares, fc.integer({ min: 1, max: 12 }), (gains, k) => {
        const best = gains.toSorted((a, b) => b - a);
        const value = normalisedGain(gains, best, k);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
        if (best[0]! > 0) expect(normalisedGain(best, gains, k)).toBeCloseTo(1, 12);
        const isBest = gains.slice(0, k).every((gain, i) => gain === best[i]);
        if (!isBest) expect(value).toBeLessThan(1);
      }),
    );
  });

  test.each([0, -1, 1.5, NaN])('k = %s is refused', (k) => {
    expect(() => recallAt(gains, k)).toThrow('k must be');
    expect(() => normalisedGain(gains, ideal, k)).toThrow('k must be');
  });
});

describe('a budget', () => {
  test('takes from the best on what still fits', () => {
    expect(fittingHits([100, 300, 50, 60, 1], 200)).toEqual([0, 2, 4]);
    expect(fittingHits([100], 99)).toEqual([]);
    expect(fittingHits([0, 5], 0)).toEqual([0]);
  });

  test('one that cannot be is refused', () => {
    expect(() => fittingHits([1], -1)).toThrow('at least 0, not -1');
    expect(() => fittingHits([1], NaN)).toThrow('not NaN');
    expect(() => fittingHits([-2], 5)).toThrow('size -2');
  });
});

describe('spans', () => {
  test('worked by hand', () => {
    const a = [
      { start: 0, end: 10 },
      { start: 5, end: 12 },
      { start: 20, end: 20 },
    ];
    const b = [
      { start: 11, end: 30 },
      { start: 8, end: 9 },
    ];
    expect(coveredLength(a)).toBe(12);
    expect(coveredLength([])).toBe(0);
    // 8 to 9 and 11 to 12.
    expect(sharedLength(a, b)).toBe(2);
  });

  test('as counting units one by one', () => {
    const span = fc
      .tuple(fc.nat(40), fc.nat(12))
      .map(([start, length]) => ({ start, end: start + length }));
    const spans = fc.array(span, { maxLength: 6 });
    fc.assert(
      fc.property(spans, spans, (a, b) => {
        const units = (list: typeof a) =>
          new Set(
            list.flatMap(({ start, end }) =>
              Array.from({ length: end - start }, (_, i) => start + i),
            ),
          );
        const [left, right] = [units(a), units(b)];
        expect(coveredLength(a)).toBe(left.size);
        expect(sharedLength(a, b)).toBe([...left].filter((unit) => right.has(unit)).length);
      }),
    );
  });
});
