import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { CostModel, type CostSnapshot, InvalidArgumentError } from '../../../../lib/index.js';
import { solveNonNegative } from '../../../../lib/reuse/cost/non-negative.js';
import { seededNormals, seededRandom } from '../../../../lib/testing/index.js';

const { abs, exp, max } = Math;

/** How far off a prediction is, as a share of the truth. */
const off = (predicted: number | undefined, truth: number) => abs((predicted ?? 0) / truth - 1);

/** Times with 10% noise, of which some are far too long. */
function noisy(seed: number, outliers: number) {
  const random = seededRandom(seed);
  const normals = seededNormals(seededRandom(seed + 1), 200, 1);
  let i = 0;
  return (truth: number): number => {
    const noise = truth * exp(0.1 * (normals[i++] ?? 0));
    return random() < outliers ? noise * (3 + 20 * random()) : noise;
  };
}

const computing = (n: number, m: number) => 8 + 0.4 * n + 0.0005 * n * (m + n / 2);

const chunks = [64, 120, 250, 256, 300, 512];
const at = (i: number) => chunks[i % chunks.length] as number;

test('nothing is predicted while nothing was measured', () => {
  const model = new CostModel();
  expect(model.predictCompute({ tokens: 100 })).toBeUndefined();
  expect(model.predictLoad('disk', 100)).toBeUndefined();
  expect(model.msPerToken).toBeUndefined();
  model.observeLoad('disk', 1e6, 2);
  expect(model.predictCompute({ tokens: 100 })).toBeUndefined();
  expect(model.predictLoad('remote', 100)).toBeUndefined();
});

test('one measurement is taken in proportion', () => {
  const model = new CostModel();
  model.observeCompute({ tokens: 200 }, 100);
  expect(off(model.predictCompute({ tokens: 200 }), 100)).toBeLessThan(0.01);
  expect(off(model.predictCompute({ tokens: 50 }), 25)).toBeLessThan(0.01);
  model.observeLoad('disk', 2e6, 4);
  expect(off(model.predictLoad('disk', 1e6), 2)).toBeLessThan(0.01);
});

test('a fixed time, a time a token and a time a pair are told apart', () => {
  const model = new CostModel();
  for (let i = 0; i < 40; i++) {
    const [n, m] = [at(i), (i * 331) % 3000];
    model.observeCompute({ tokens: n, before: m }, computing(n, m));
  }
  for (const [n, m] of [
    [32, 0],
    [256, 100],
    [256, 4000],
    [2000, 0],
  ] as const) {
    expect(off(model.predictCompute({ tokens: n, before: m }), computing(n, m))).toBeLessThan(0.05);
  }
  expect(off(model.msPerToken, computing(256, 0) / 256)).toBeLessThan(0.05);
});

test('a batch has its fixed time once', () => {
  const model = new CostModel();
  for (let i = 1; i < 30; i++) {
    const batch = Array.from({ length: 1 + (i % 4) }, () => ({ tokens: at(i), before: 40 }));
    const tokens = batch.reduce((sum, { tokens: count }) => sum + count, 0);
    model.observeCompute(batch, 20 + tokens);
  }
  const work = { tokens: 128, before: 40 };
  const one = model.predictCompute(work) ?? 0;
  expect(off(one, 148)).toBeLessThan(0.05);
  expect(off(model.predictCompute([work, work]), 276)).toBeLessThan(0.05);
});

test('a tier has its own latency and bandwidth', () => {
  const model = new CostModel();
  for (let i = 0; i < 30; i++) {
    const bytes = (1 + (i % 8)) * 1e6;
    model.observeLoad('disk', bytes, 0.2 + bytes / 1e6);
    model.observeLoad('remote', bytes, 40 + bytes / 1e5);
  }
  expect(off(model.predictLoad('disk', 32e6), 32.2)).toBeLessThan(0.05);
  expect(off(model.predictLoad('remote', 1e6), 50)).toBeLessThan(0.05);
  expect(off(model.predictLoad('remote', 1e5), 41)).toBeLessThan(0.1);
});

describe('on a machine that is not quiet', () => {
  test.each([0, 0.1, 0.25])('%p of the times being far too long, predictions hold', (outliers) => {
    for (let seed = 0; seed < 20; seed++) {
      const measure = noisy(seed, outliers);
      const model = new CostModel();
      for (let i = 0; i < 60; i++) {
        model.observeCompute({ tokens: at(i), before: 50 }, measure(15 + 0.8 * at(i)));
      }
      const predicted = model.predictCompute({ tokens: 256, before: 50 });
      expect(off(predicted, 15 + 0.8 * 256)).toBeLessThan(outliers > 0.2 ? 0.35 : 0.2);
    }
  });

  test('the first measurement of all may be an outlier', () => {
    const model = new CostModel();
    model.observeCompute({ tokens: 250 }, 5000);
    for (let i = 0; i < 4; i++) model.observeCompute({ tokens: 250 }, 100 + i);
    expect(off(model.predictCompute({ tokens: 250 }), 100)).toBeLessThan(0.25);
  });

  test('a machine that became slower, or faster, for good is believed after some time', () => {
    for (const factor of [5, 0.2]) {
      const model = new CostModel();
      const measure = noisy(9, 0);
      for (let i = 0; i < 60; i++) model.observeLoad('disk', 1e6 * (1 + (i % 3)), measure(10));
      for (let i = 0; i < 24; i++) {
        model.observeLoad('disk', 1e6 * (1 + (i % 3)), measure(10 * factor));
      }
      expect(off(model.predictLoad('disk', 2e6), 10 * factor)).toBeLessThan(0.3);
    }
  });
});

test('whatever was measured, predictions are finite, not negative, and grow with the work', () => {
  const ms = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e7, noNaN: true }));
  const observation = fc.record({
    tokens: fc.integer({ min: 1, max: 1e6 }),
    before: fc.nat(1e6),
    ms,
  });
  fc.assert(
    fc.property(fc.array(observation, { minLength: 1, maxLength: 90 }), fc.nat(5000), (all, n) => {
      const model = new CostModel();
      for (const { ms: time, ...work } of all) {
        model.observeCompute(work, time);
        model.observeLoad('x', work.tokens, time);
      }
      const less = model.predictCompute({ tokens: n }) ?? Number.NaN;
      const more = model.predictCompute({ tokens: n + 1, before: 10 }) ?? Number.NaN;
      expect(less).toBeGreaterThanOrEqual(0);
      expect(more).toBeGreaterThanOrEqual(less);
      expect(more).toBeLessThan(Infinity);
      expect(model.predictLoad('x', n)).toBeGreaterThanOrEqual(0);
    }),
  );
});

test('measurements that make no sense are passed over', () => {
  const model = new CostModel();
  for (const [tokens, ms] of [
    [0, 5],
    [-3, 5],
    [Number.NaN, 5],
    [10, -1],
    [10, Number.NaN],
    [10, Infinity],
  ] as const) {
    model.observeCompute({ tokens }, ms);
    model.observeLoad('disk', tokens, ms);
  }
  expect(model.predictCompute({ tokens: 10 })).toBeUndefined();
  expect(model.predictLoad('disk', 10)).toBeUndefined();
});

test('a hint is used until something is measured', () => {
  const model = new CostModel();
  model.hintCompute({ tokens: 100 }, 700);
  expect(off(model.predictCompute({ tokens: 100 }), 700)).toBeLessThan(0.01);
  model.observeCompute({ tokens: 100 }, 50);
  expect(off(model.predictCompute({ tokens: 100 }), 50)).toBeLessThan(0.01);
});

test('a tier that changed may be forgotten', () => {
  const model = new CostModel();
  model.observeLoad('disk', 1e6, 5);
  model.forgetLoads('disk');
  expect(model.predictLoad('disk', 1e6)).toBeUndefined();
});

test('a snapshot is JSON, and a model made from it predicts the same', () => {
  const model = new CostModel();
  for (let i = 0; i < 70; i++) {
    model.observeCompute({ tokens: at(i), before: 17 * i }, 3 + at(i));
    model.observeLoad(`tier ${i % 3}`, 1000 * at(i), 1 + i);
  }
  // What is fitted lags a little behind what was observed; a restored model fits at once.
  const snapshot = JSON.parse(JSON.stringify(model.snapshot())) as CostSnapshot;
  const [a, b] = [CostModel.restore(snapshot), CostModel.restore(snapshot)];
  expect(a.snapshot()).toEqual(snapshot);
  for (const tokens of chunks) {
    expect(a.predictCompute({ tokens })).toBe(b.predictCompute({ tokens }));
    expect(off(a.predictCompute({ tokens }), model.predictCompute({ tokens }) ?? 0)).toBeLessThan(
      0.01,
    );
    expect(a.predictLoad('tier 2', tokens * 1000)).toBe(b.predictLoad('tier 2', tokens * 1000));
  }
});

test.each([
  null,
  {},
  { version: 2, compute: [], loads: {} },
  { version: 1, compute: [{ terms: [1, 2], ms: 3 }], loads: {} },
  { version: 1, compute: [{ terms: [1, 2, 'x'], ms: 3 }], loads: {} },
  { version: 1, compute: [], loads: { disk: [{ terms: [1, 2] }] } },
  { version: 1, compute: [], loads: { disk: 7 } },
])('the snapshot %j is refused', (snapshot) => {
  expect(() => CostModel.restore(snapshot as unknown as CostSnapshot)).toThrow(
    InvalidArgumentError,
  );
});

test('a prediction costs little', () => {
  const model = new CostModel();
  const start = performance.now();
  for (let i = 0; i < 5000; i++) {
    model.observeLoad('disk', 1000 + (i % 7), 1);
    model.predictLoad('disk', 1000);
  }
  // Generous: it is 0.01 ms where nothing else runs.
  expect((performance.now() - start) / 5000).toBeLessThan(0.5);
});

test('the least of a quadratic form over what is not negative is found', () => {
  const entry = fc.double({ min: -3, max: 3, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(fc.array(entry, { minLength: 3, maxLength: 3 }), { minLength: 5, maxLength: 5 }),
      fc.array(entry, { minLength: 5, maxLength: 5 }),
      fc.array(
        fc.array(fc.double({ min: 0, max: 4, noNaN: true }), { minLength: 3, maxLength: 3 }),
      ),
      (rows, target, others) => {
        const a = [0, 1, 2].map((j) =>
          [0, 1, 2].map(
            (k) =>
              rows.reduce((sum, row) => sum + (row[j] ?? 0) * (row[k] ?? 0), 0) +
              (j === k ? 0.1 : 0),
          ),
        );
        const b = [0, 1, 2].map((j) =>
          rows.reduce((sum, row, i) => sum + (row[j] ?? 0) * (target[i] ?? 0), 0),
        );
        const value = (x: readonly number[]) =>
          x.reduce(
            (sum, xj, j) =>
              sum -
              xj * (b[j] ?? 0) +
              (xj / 2) * x.reduce((s, xk, k) => s + (a[j]?.[k] ?? 0) * xk, 0),
            0,
          );
        const best = solveNonNegative(a, b);
        for (const x of best) expect(x).toBeGreaterThanOrEqual(0);
        for (const other of others) {
          expect(value(best)).toBeLessThanOrEqual(value(other) + 1e-6 * max(1, abs(value(other))));
        }
      },
    ),
  );
});
