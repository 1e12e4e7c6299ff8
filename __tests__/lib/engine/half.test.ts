import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  fromHalf,
  readHalves,
  roundToHalf,
  toHalf,
  writeHalves,
} from '../../../lib/engine/half.js';

test('every half survives the way to a number and back', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = fromHalf(bits);
    if (Number.isNaN(value)) expect(fromHalf(toHalf(value))).toBeNaN();
    else if (toHalf(value) !== bits) throw new Error(`${bits} became ${toHalf(value)}`);
  }
});

test('known values', () => {
  const known: readonly (readonly [number, number])[] = [
    [0, 0],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [Infinity, 0x7c00],
    [-Infinity, 0xfc00],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.01, 0x0001],
    [1 / 3, 0x3555],
    // Halfway between two halves: to the even one.
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
  ];
  for (const [value, bits] of known) expect([value, toHalf(value)]).toEqual([value, bits]);
});

test('the nearest half is taken', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, min: -65504, max: 65504 }), (value) => {
      const bits = toHalf(value);
      const error = Math.abs(fromHalf(bits) - value);
      for (const other of [bits - 1, bits + 1]) {
        const neighbour = fromHalf(other);
        if ((other & 0x8000) !== (bits & 0x8000) || !Number.isFinite(neighbour)) continue;
        const distance = Math.abs(neighbour - value);
        if (distance < error) throw new Error(`${value}: ${neighbour} is nearer`);
        if (distance === error) expect(bits & 1).toBe(0);
      }
    }),
    { numRuns: 2000 },
  );
});

test('bytes are little-endian and need no alignment', () => {
  const bytes = new Uint8Array(7);
  writeHalves([1, -2, 1 / 3], bytes.subarray(1));
  expect([...bytes]).toEqual([0, 0x00, 0x3c, 0x00, 0xc0, 0x55, 0x35]);
  expect([...readHalves(bytes.subarray(1))]).toEqual([1, -2, roundToHalf(1 / 3)]);
});
