import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { InvalidArgumentError } from '../../../lib/index.js';
import { compareRows, tokenLosses } from '../../../lib/evaluate/index.js';

const logits = (size: number) =>
  fc.float32Array({ minLength: size, maxLength: size, min: -60, max: 60, noNaN: true });

function softmax(row: readonly number[]): number[] {
  const most = Math.max(...row);
  const weights = row.map((value) => Math.exp(value - most));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

function best(row: Float32Array): number {
  return row.indexOf(Math.max(...row));
}

test('the divergence is what the definition says', () => {
  fc.assert(
    fc.property(logits(12), logits(12), (p, q) => {
      const { kl, agrees } = compareRows({ values: p, vocabSize: 6 }, { values: q, vocabSize: 6 });
      for (let row = 0; row < 2; row++) {
        const [a, b] = [p, q].map((all) => softmax(Array.from(all.subarray(6 * row, 6 * row + 6))));
        let expected = 0;
        for (const [i, weight] of a!.entries()) {
          if (weight > 0) expected += weight * Math.log(weight / b![i]!);
        }
        if (Number.isFinite(expected)) expect(kl[row]).toBeCloseTo(Math.max(0, expected), 6);
        expect(kl[row]).toBeGreaterThanOrEqual(0);
        const [likeliest, other] = [p, q].map((all) => best(all.subarray(6 * row, 6 * row + 6)));
        const same = likeliest === other;
        expect(agrees[row]).toBe(same ? 1 : 0);
      }
    }),
  );
});

test('equal distributions do not diverge, whatever is added to their logits', () => {
  fc.assert(
    fc.property(logits(50), fc.integer({ min: -100, max: 100 }), (p, by) => {
      const { kl } = compareRows(
        { values: p, vocabSize: 50 },
        { values: p.map((value) => value + by), vocabSize: 50 },
      );
      expect(kl[0]).toBeLessThan(1e-5);
    }),
  );
});

test('a worked value', () => {
  // p = (1/2, 1/2), q = (1/4, 3/4): ln 2 / 2 + ln(2/3) / 2.
  const p = Float32Array.of(0, 0);
  const q = Float32Array.of(0, Math.log(3));
  const { kl } = compareRows({ values: p, vocabSize: 2 }, { values: q, vocabSize: 2 });
  expect(kl[0]).toBeCloseTo(0.5 * Math.log(2) + 0.5 * Math.log(2 / 3), 6);
});

test('a token of probability zero in the reference counts nothing', () => {
  const p = Float32Array.of(0, -Infinity);
  const q = Float32Array.of(0, 0);
  const { kl } = compareRows({ values: p, vocabSize: 2 }, { values: q, vocabSize: 2 });
  expect(kl[0]).toBeCloseTo(Math.log(2), 6);
});

test('losses are the negative logarithms of the tokens’ probabilities', () => {
  const values = Float32Array.of(0, 0, 0, 0, 1, 2, 3, 4);
  const losses = tokenLosses({ values, vocabSize: 4 }, Int32Array.of(2, 3));
  expect(losses[0]).toBeCloseTo(Math.log(4), 6);
  expect(losses[1]).toBeCloseTo(-Math.log(softmax([1, 2, 3, 4])[3]!), 6);
});

test('twenty rows of a real vocabulary take milliseconds', () => {
  const vocabSize = 49_152;
  const values = Float32Array.from({ length: 20 * vocabSize }, (_, i) => (i * 7919) % 23);
  const start = performance.now();
  compareRows({ values, vocabSize }, { values: values.toReversed(), vocabSize });
  expect(performance.now() - start).toBeLessThan(15_000);
});

test.each([
  () =>
    compareRows(
      { values: new Float32Array(6), vocabSize: 3 },
      { values: new Float32Array(4), vocabSize: 2 },
    ),
  () =>
    compareRows(
      { values: new Float32Array(6), vocabSize: 3 },
      { values: new Float32Array(3), vocabSize: 3 },
    ),
  () =>
    compareRows(
      { values: new Float32Array(5), vocabSize: 3 },
      { values: new Float32Array(5), vocabSize: 3 },
    ),
  () => tokenLosses({ values: new Float32Array(6), vocabSize: 3 }, Int32Array.of(1)),
  () => tokenLosses({ values: new Float32Array(6), vocabSize: 3 }, Int32Array.of(1, 3)),
])('shapes that do not fit are refused (%#)', (call) => {
  expect(call).toThrow(InvalidArgumentError);
});
