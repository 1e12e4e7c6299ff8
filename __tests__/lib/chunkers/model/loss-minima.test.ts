import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  lossMinima,
  rangesAtMinima,
  sentenceLosses,
} from '../../../../lib/chunkers/model/loss-minima.js';
import { joinRanges } from '../../../../lib/chunkers/model/unit-ranges.js';

const gaps = (values: readonly number[], i: number) =>
  [values[i - 1]! - values[i]!, values[i + 1]! - values[i]!] as const;

/** The rule as the report on the paper puts it, tried at every place by itself. */
function byTheRule(values: readonly number[], theta: number): number[] {
  return values.flatMap((value, i) => {
    if (i < 1 || i > values.length - 2) return [];
    const strict = value < values[i - 1]! && value < values[i + 1]!;
    const deep = Math.max(...gaps(values, i)) >= theta;
    const plateau = value < values[i - 1]! && value === values[i + 1]!;
    return (strict && deep) || (plateau && gaps(values, i)[0] >= theta) ? [i] : [];
  });
}

const losses = fc.array(
  fc.integer({ min: 0, max: 12 }).map((n) => n / 4),
  { maxLength: 40 },
);
const thresholds = fc.constantFrom(0, 0.25, 0.5, 1, 2);

test('minima are those of the rule', () => {
  fc.assert(
    fc.property(losses, thresholds, (values, theta) => {
      expect(lossMinima(values, theta)).toEqual(byTheRule(values, theta));
    }),
    { numRuns: 2000 },
  );
});

test('a worked example: where seven sentences are cut', () => {
  const values = [3, 2.5, 2.9, 2, 2, 2.6, 2.4];
  // 1 is lower than both, by 0.5 and 0.4; 3 falls by 0.9 onto a plateau; 6 is the last.
  expect(lossMinima(values, 0)).toEqual([1, 3]);
  expect(lossMinima(values, 0.5)).toEqual([1, 3]);
  expect(lossMinima(values, 0.6)).toEqual([3]);
  expect(lossMinima(values, 1)).toEqual([]);
  expect(rangesAtMinima(7, [1, 3], 'after')).toEqual([
    { from: 0, to: 2 },
    { from: 2, to: 4 },
    { from: 4, to: 7 },
  ]);
  expect(rangesAtMinima(7, [1, 3], 'overlap')).toEqual([
    { from: 0, to: 2 },
    { from: 1, to: 4 },
    { from: 3, to: 7 },
  ]);
});

test('a dynamic threshold is the least depth of a hundred minima', () => {
  // Minima at every odd place, of depth 1; the later ones of depth 0.5 are no longer deep enough.
  const deep = Array.from({ length: 205 }, (_, i) => (i % 2 === 0 ? 2 : 1));
  const flat = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 1.5 : 2));
  const fixed = lossMinima([...deep, ...flat], 0);
  const dynamic = lossMinima([...deep, ...flat], { dynamic: 0 });
  expect(fixed.length).toBeGreaterThan(dynamic.length);
  expect(dynamic.every((i) => i < 205)).toBe(true);
  expect(dynamic).toHaveLength(102);
  // With fewer than a hundred nothing changes.
  const few = [...deep.slice(0, 199), ...flat];
  expect(lossMinima(few, { dynamic: 0 }).filter((i) => i < 199)).toHaveLength(99);
  expect(lossMinima(few, { dynamic: 0 }).filter((i) => i >= 199).length).toBeGreaterThan(0);
});

test('sentences without a loss are no minima, and tokens without one do not count', () => {
  expect(lossMinima([3, NaN, 3, 1, 3], 0)).toEqual([3]);
  expect(lossMinima([NaN, 1, 3], 0)).toEqual([]);
  const means = sentenceLosses(
    [NaN, 2, 4, NaN],
    [
      { start: 0, end: 3 },
      { start: 3, end: 4 },
    ],
  );
  expect([...means]).toEqual([3, NaN]);
});

test('joining takes neighbours while they fit the target, and changes no border but those it drops', () => {
  const starts = Int32Array.of(0, 10, 25, 40, 90, 100, 108);
  const ranges = [0, 1, 2, 3, 4, 5].map((from) => ({ from, to: from + 1 }));
  expect(joinRanges({ starts }, ranges, 40)).toEqual([
    { from: 0, to: 3 },
    { from: 3, to: 4 },
    { from: 4, to: 6 },
  ]);
  expect(joinRanges({ starts }, ranges, 0)).toEqual(ranges);
});
