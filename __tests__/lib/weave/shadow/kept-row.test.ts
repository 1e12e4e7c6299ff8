import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { compareRows } from '../../../../lib/evaluate/index.js';
import { distanceOf, keepRow } from '../../../../lib/weave/shadow/kept-row.js';

const width = 40;
const row = fc
  .array(fc.double({ min: -12, max: 12, noNaN: true }), { minLength: width, maxLength: width })
  .map((values) => Float32Array.from(values));

function softmax(logits: Float32Array): number[] {
  const weights = Array.from(logits, (logit) => Math.exp(logit));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** Of two lists of probabilities that are all above zero. */
function divergence(p: readonly number[], q: readonly number[]): number {
  return p.reduce((sum, value, i) => sum + value * Math.log(value / q[i]!), 0);
}

test('the distance is the divergence of distributions in which the rest is one', () => {
  fc.assert(
    fc.property(row, row, fc.integer({ min: 1, max: width - 1 }), (woven, full, count) => {
      const kept = keepRow(woven, count);
      expect(kept.tokens).toHaveLength(count);
      const order = [...woven.keys()].toSorted((a, b) => woven[b]! - woven[a]! || a - b);
      expect([...kept.tokens]).toEqual(order.slice(0, count));
      const lumped = (logits: Float32Array) => {
        const shares = softmax(logits);
        const rest = order.slice(count).reduce((sum, token) => sum + shares[token]!, 0);
        return [...order.slice(0, count).map((token) => shares[token]!), rest];
      };
      const { kl, agrees } = distanceOf(kept, full);
      expect(kl).toBeCloseTo(Math.max(0, divergence(lumped(full), lumped(woven))), 6);
      const whole = compareRows(
        { values: full, vocabSize: width },
        { values: woven, vocabSize: width },
      );
      // Taking tokens together can only hide a difference.
      expect(kl).toBeLessThanOrEqual(whole.kl[0]! + 1e-9);
      expect(agrees).toBe(whole.agrees[0] === 1);
    }),
  );
});

test('with all tokens kept it is the divergence itself', () => {
  fc.assert(
    fc.property(row, row, (woven, full) => {
      const { kl } = distanceOf(keepRow(woven), full);
      expect(kl).toBeCloseTo(divergence(softmax(full), softmax(woven)), 6);
      expect(distanceOf(keepRow(woven), woven)).toEqual({ kl: expect.closeTo(0, 9), agrees: true });
    }),
  );
});

test('tokens that are impossible in the woven row are kept out, and cost much where the full one says them', () => {
  const woven = Float32Array.of(-Infinity, 1, 1, -Infinity);
  const kept = keepRow(woven, 3);
  expect([...kept.tokens]).toEqual([1, 2]);
  expect(distanceOf(kept, woven)).toEqual({ kl: 0, agrees: true });
  const { kl, agrees } = distanceOf(kept, Float32Array.of(1, 1, 1, 1));
  expect(agrees).toBe(false);
  expect(kl).toBeGreaterThan(100);
  expect(Number.isFinite(kl)).toBe(true);
});
