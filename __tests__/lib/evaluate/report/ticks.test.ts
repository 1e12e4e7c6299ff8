import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { linearTicks, logTicks, tickLabel } from '../../../../lib/evaluate/report/ticks.js';

test('ticks have their worked values', () => {
  expect(linearTicks(0, 0.3)).toEqual([0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]);
  expect(linearTicks(-3, 11)).toEqual([0, 5, 10]);
  expect(linearTicks(1234, 1240, 3)).toEqual([1234, 1236, 1238, 1240]);
  expect(logTicks(0.003, 0.6)).toEqual([0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]);
  expect(logTicks(1, 1000)).toEqual([1, 10, 100, 1000]);
  expect(logTicks(0.2, 0.5)).toEqual([0.2, 0.3, 0.4, 0.5]);
  expect(logTicks(101, 104, 3)).toEqual([101, 102, 103, 104]);
  expect([0.05, 1, 0.1 + 0.2, 1e-7].map((value) => tickLabel(value))).toEqual([
    '0.05',
    '1',
    '0.3',
    '1e-7',
  ]);
  expect(tickLabel(0.07, true)).toBe('7%');
});

const start = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const length = fc.double({ min: -4, max: 6, noNaN: true }).map((power) => 10 ** power);

test('linear ticks are round, as far apart, inside, neither few nor many, and told apart by their labels', () => {
  fc.assert(
    fc.property(start, length, fc.integer({ min: 3, max: 12 }), (from, width, count) => {
      const to = from + width;
      const ticks = linearTicks(from, to, count);
      // A step is at most two and a half times what `count` of them need.
      expect(ticks.length).toBeGreaterThanOrEqual(Math.floor(count / 2.5));
      expect(ticks.length).toBeLessThanOrEqual(count + 1);
      // Numbers of this size are no closer to each other than a few of their last digits.
      const slack = width * 1e-6 + 4 * Number.EPSILON * Math.max(Math.abs(from), Math.abs(to));
      for (const tick of ticks) {
        expect(tick).toBeGreaterThanOrEqual(from - slack);
        expect(tick).toBeLessThanOrEqual(to + slack);
      }
      if (ticks.length < 2) return;
      // Large ticks that are close together have lost digits of their distance.
      const step = Number((ticks[1]! - ticks[0]!).toPrecision(3));
      const digits = step / 10 ** Math.floor(Math.log10(step * (1 + 1e-6)));
      expect([1, 2, 5].some((round) => Math.abs(round - digits) < 1e-3)).toBe(true);
      for (const [i, tick] of ticks.entries()) {
        expect(Math.abs(tick - (ticks[0]! + i * step))).toBeLessThan(slack);
        expect(Math.abs(tick - Math.round(tick / step) * step)).toBeLessThan(slack);
      }
      expect(new Set(ticks.map((tick) => tickLabel(tick))).size).toBe(ticks.length);
    }),
  );
});

test('logarithmic ticks ascend inside of any range, a few of them, with labels that say what they are', () => {
  const power = fc.double({ min: -12, max: 8, noNaN: true });
  fc.assert(
    fc.property(power, fc.double({ min: 0.01, max: 12, noNaN: true }), (first, width) => {
      const [from, to] = [10 ** first, 10 ** (first + width)];
      const ticks = logTicks(from, to);
      expect(ticks.length).toBeGreaterThanOrEqual(2);
      expect(ticks.length).toBeLessThanOrEqual(10);
      for (const [i, tick] of ticks.entries()) {
        expect(tick).toBeGreaterThan(from * (1 - 1e-6));
        expect(tick).toBeLessThan(to * (1 + 1e-6));
        if (i > 0) expect(tick).toBeGreaterThan(ticks[i - 1]!);
        expect(Number(tickLabel(tick)) / tick).toBeCloseTo(1, 9);
      }
    }),
  );
});
