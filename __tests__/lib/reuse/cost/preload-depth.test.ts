import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { InvalidArgumentError, preloadDepth } from '../../../../lib/index.js';

test('the worked example of the rule', () => {
  expect(preloadDepth({ layers: 28, computeMs: 70, loadMs: 500 })).toBe(25);
});

test.each([
  ['loading that is no slower than computing needs one layer', 28, 5, 5, 1],
  ['faster loading as well', 28, 5, 1, 1],
  ['computing that takes no time needs all', 28, 0, 5, 28],
  ['a model of one layer', 1, 1, 100, 1],
  ['half as fast: half of them', 11, 1, 2, 6],
])('%s', (_, layers, computeMs, loadMs, depth) => {
  expect(preloadDepth({ layers, computeMs, loadMs })).toBe(depth);
});

/** Milliseconds that computing has to wait, when it begins once `depth` layers are loaded. */
function waits(depth: number, layers: number, computeMs: number, loadMs: number): number {
  let now = depth * loadMs;
  let waited = 0;
  for (let layer = 0; layer < layers; layer++) {
    const loaded = (layer + 1) * loadMs;
    if (loaded > now) {
      waited += loaded - now;
      now = loaded;
    }
    now += computeMs;
  }
  return waited;
}

test('with it no layer is waited for, and with one less some is', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 0, max: 1000 }),
      fc.integer({ min: 1, max: 1000 }),
      (layers, computeMs, loadMs) => {
        const depth = preloadDepth({ layers, computeMs, loadMs });
        expect(waits(depth, layers, computeMs, loadMs)).toBeLessThan(1e-6);
        if (depth > 1) expect(waits(depth - 1, layers, computeMs, loadMs)).toBeGreaterThan(0);
      },
    ),
  );
});

test.each([
  { layers: 0, computeMs: 1, loadMs: 1 },
  { layers: 1.5, computeMs: 1, loadMs: 1 },
  { layers: 4, computeMs: -1, loadMs: 1 },
  { layers: 4, computeMs: 1, loadMs: Number.NaN },
])('%j is refused', (times) => {
  expect(() => preloadDepth(times)).toThrow(InvalidArgumentError);
});
