import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { ChunkKv } from '../../../lib/engine/chunk-kv.js';
import { floatsOf, writeFloats } from '../../../lib/engine/halves.js';
import { meanKv } from '../../../lib/encode/mean-kv.js';
import { InvalidArgumentError } from '../../../lib/index.js';

const layout = { layers: 2, keyWidth: 2, valueWidth: 1, type: 'f16' } as const;
const tokens = Int32Array.of(7, 9);

/** Two tokens in two layers of three numbers: `values` holds twelve, those left out are zero. */
function kvOf(values: readonly number[], change: Partial<ChunkKv> = {}): ChunkKv {
  const all = new Float32Array(12);
  all.set(values);
  const data = new Uint8Array(24);
  writeFloats(all, data);
  return { fingerprint: 'm', layout, tokens, layers: { from: 0, to: 2 }, data, ...change };
}

const numbersOf = (kv: ChunkKv): number[] => [...floatsOf(kv.data)];

test('each number is the mean of those in its place', () => {
  const mean = meanKv([
    kvOf([1, -2, 0.5, 100, 0, 0, 3]),
    kvOf([2, -4, 0.5, 300, 0, 0, 0]),
    kvOf([6, 3, 0.5, 200, 0, 0, -3]),
  ]);
  expect(numbersOf(mean)).toEqual([3, -1, 0.5, 200, 0, 0, 0, 0, 0, 0, 0, 0]);
  expect(mean).toMatchObject({ fingerprint: 'm', layout, layers: { from: 0, to: 2 } });
  expect([...mean.tokens]).toEqual([7, 9]);
});

test('what has no half between two is rounded to one of them', () => {
  // Halves are 1/1024 apart from 1 on.
  const [value] = numbersOf(meanKv([kvOf([1]), kvOf([1 + 1 / 1024])]));
  expect([1, 1 + 1 / 1024]).toContain(value);
});

test('large numbers do not overflow on the way', () => {
  const large = 65_504;
  expect(numbersOf(meanKv([kvOf([large]), kvOf([large]), kvOf([large])]))[0]).toBe(large);
});

test('the mean of one is itself; none are refused', () => {
  const one = kvOf([1, 2, 3]);
  expect(meanKv([one])).toBe(one);
  expect(() => meanKv([])).toThrow(InvalidArgumentError);
});

test('the variants stay as they are, wherever their bytes lie', () => {
  const [a, b] = [kvOf([1, 5]), kvOf([3, 9])];
  const room = new Uint8Array(25);
  room.set(b.data, 1);
  const copies = [a.data.slice(), b.data.slice()];
  const mean = meanKv([a, { ...b, data: room.subarray(1) }]);
  expect(numbersOf(mean).slice(0, 2)).toEqual([2, 7]);
  expect(a.data).toEqual(copies[0]);
  expect(room.slice(1)).toEqual(copies[1]);
});

test.each<[string, Partial<ChunkKv>]>([
  ['model', { fingerprint: 'n' }],
  ['tokens', { tokens: Int32Array.of(7, 8) }],
  ['number of tokens', { tokens: Int32Array.of(7) }],
  ['layers', { layers: { from: 1, to: 3 } }],
  ['fewer layers', { layers: { from: 0, to: 1 } }],
  ['bytes', { data: new Uint8Array(22) }],
  ['widths', { layout: { ...layout, keyWidth: 1, valueWidth: 2 } }],
])('a KV of another %s is refused', (_, change) => {
  const one = kvOf([1]);
  const other = kvOf([1], change);
  expect(() => meanKv([one, other])).toThrow(InvalidArgumentError);
  expect(() => meanKv([other, one])).toThrow(InvalidArgumentError);
  expect(() => meanKv([one, one, other])).toThrow(/not of the same tokens, layers and model/);
});

const half = fc.float({ min: -60_000, max: 60_000, noNaN: true }).map((value) => {
  const bytes = new Uint8Array(2);
  writeFloats(Float32Array.of(value), bytes);
  return floatsOf(bytes)[0] as number;
});
const twelve = fc.array(half, { minLength: 12, maxLength: 12 });

test('the mean of equal KVs is the KV, bit for bit', () => {
  fc.assert(
    fc.property(twelve, fc.integer({ min: 1, max: 40 }), (values, count) => {
      const kv = kvOf(values);
      expect(meanKv(Array.from({ length: count }, () => kvOf(values))).data).toEqual(kv.data);
    }),
  );
});

test('the mean lies among what it is of, next to the exact one, in whatever order', () => {
  fc.assert(
    fc.property(fc.array(twelve, { minLength: 2, maxLength: 9 }), (all) => {
      const mean = numbersOf(meanKv(all.map((values) => kvOf(values))));
      const back = numbersOf(meanKv(all.toReversed().map((values) => kvOf(values))));
      for (const [i, value] of mean.entries()) {
        const column = all.map((values) => values[i]!);
        const exact = column.reduce((a, b) => a + b, 0) / column.length;
        // Half a unit of a half in the result, and what sums of single precision lose.
        const largest = Math.max(...column.map(Math.abs));
        const allowed = Math.abs(exact) * 2 ** -11 + largest * 2 ** -20 + 2 ** -25;
        expect(Math.abs(value - exact)).toBeLessThanOrEqual(allowed);
        expect(value).toBeGreaterThanOrEqual(Math.min(...column) - allowed);
        expect(value).toBeLessThanOrEqual(Math.max(...column) + allowed);
        expect(Math.abs(back[i]! - value)).toBeLessThanOrEqual(2 * allowed);
      }
    }),
  );
});
