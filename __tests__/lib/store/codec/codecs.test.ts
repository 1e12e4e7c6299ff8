import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { layerBytes } from '../../../../lib/engine/chunk-kv.js';
import { readHalves, writeHalves } from '../../../../lib/engine/half.js';
import { bfpCodec } from '../../../../lib/store/codec/bfp.js';
import type { KvCodec } from '../../../../lib/store/codec/codec.js';
import { f16Codec } from '../../../../lib/store/codec/f16.js';
import { q8Codec } from '../../../../lib/store/codec/q8-0.js';
import { seededRandom } from '../../../../lib/random.js';

const shapeOf = (tokens: number, keyWidth: number, valueWidth: number) => ({
  tokens,
  layout: { layers: 1, keyWidth, valueWidth, type: 'f16' as const },
});
type Shape = ReturnType<typeof shapeOf>;

function roundTrip(codec: KvCodec, block: Uint8Array, shape: Shape): Float32Array {
  const bytes = codec.encodedBytes(shape);
  // Guards on both sides: a codec writes its bytes and no others.
  const room = new Uint8Array(bytes + 8).fill(0xa5);
  codec.encode(block, shape, room.subarray(4, 4 + bytes));
  expect([...room.subarray(0, 4), ...room.subarray(4 + bytes)]).toEqual(Array(8).fill(0xa5));
  const back = new Uint8Array(block.length);
  codec.decode(room.subarray(4, 4 + bytes), shape, back);
  return readHalves(back);
}

function blockOf(values: readonly number[]): Uint8Array {
  const block = new Uint8Array(values.length * 2);
  writeHalves(values, block);
  return block;
}

/** Keys with a few large channels, as models have them; values without. */
function modelLike(shape: Shape, seed: number): number[] {
  const random = seededRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const { tokens, layout } = shape;
  const sizes = Array.from({ length: layout.keyWidth }, (_, i) => (i % 17 === 3 ? 20 : 0.5));
  const keys = Array.from(
    { length: tokens * layout.keyWidth },
    (_, i) => normal() * sizes[i % layout.keyWidth]!,
  );
  return [...keys, ...Array.from({ length: tokens * layout.valueWidth }, normal)];
}

const lossy: [string, KvCodec, (most: number) => number][] = [
  // Half a level, and what rounding the scale to half precision adds: much, where it is all but 0.
  ['q8_0', q8Codec(), (most) => (most / 127) * 0.56 + 127 * 2 ** -25],
  ['bfp8', bfpCodec(), (most) => (most / 127) * 1.01 + 2 ** -24],
  ['bfp5', bfpCodec({ bits: 5, group: 64 }), (most) => (most / 15) * 1.04 + 2 ** -24],
  ['bfp8 unsorted', bfpCodec({ sortKeys: false }), (most) => (most / 127) * 1.01 + 2 ** -24],
];

describe.each(lossy)('%s', (_name, codec, bound) => {
  test('no number is further off than half a level of the largest beside it', () => {
    fc.assert(
      fc.property(
        fc.record({
          tokens: fc.integer({ min: 1, max: 6 }),
          keyWidth: fc.integer({ min: 1, max: 140 }),
          valueWidth: fc.integer({ min: 1, max: 70 }),
          seed: fc.integer(),
          size: fc.constantFrom(1e-6, 1e-3, 1, 100, 1500),
        }),
        ({ tokens, keyWidth, valueWidth, seed, size }) => {
          const shape = shapeOf(tokens, keyWidth, valueWidth);
          const random = seededRandom(seed);
          const count = tokens * (keyWidth + valueWidth);
          const block = blockOf(Array.from({ length: count }, () => (random() * 2 - 1) * size));
          const before = readHalves(block);
          const after = roundTrip(codec, block, shape);
          const most = before.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          // Half precision of what comes back rounds once more.
          const limit = bound(most) + most * 2 ** -11;
          let worst = 0;
          for (const [i, value] of before.entries()) {
            worst = Math.max(worst, Math.abs(value - after[i]!));
          }
          expect(worst).toBeLessThanOrEqual(limit);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('zeros stay zeros', () => {
    const shape = shapeOf(3, 40, 8);
    const block = new Uint8Array(layerBytes(shape.layout, 3));
    expect(roundTrip(codec, block, shape).every((value) => value === 0)).toBe(true);
  });

  test('any bytes decode to numbers within the block', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.integer(), (tokens, seed) => {
        const shape = shapeOf(tokens, 33, 17);
        const random = seededRandom(seed);
        const bytes = Uint8Array.from({ length: codec.encodedBytes(shape) }, () => random() * 256);
        const target = new Uint8Array(layerBytes(shape.layout, tokens) + 4).fill(0x5a);
        codec.decode(bytes, shape, target.subarray(0, -4));
        expect([...target.subarray(-4)]).toEqual([0x5a, 0x5a, 0x5a, 0x5a]);
      }),
    );
  });
});

test('f16 gives back every bit', () => {
  const shape = shapeOf(2, 5, 3);
  const codec = f16Codec();
  const block = Uint8Array.from({ length: layerBytes(shape.layout, 2) }, (_, i) => i * 37);
  const encoded = new Uint8Array(codec.encodedBytes(shape));
  codec.encode(block, shape, encoded);
  const back = new Uint8Array(block.length);
  codec.decode(encoded, shape, back);
  expect(back).toEqual(block);
});

test('sizes are as documented', () => {
  const shape = shapeOf(250, 192, 192);
  const numbers = 250 * 384;
  expect(f16Codec().encodedBytes(shape)).toBe(2 * numbers);
  expect(q8Codec().encodedBytes(shape)).toBe((numbers * 8.5) / 8);
  expect(bfpCodec({ sortKeys: false }).encodedBytes(shape)).toBe((numbers * 8.25) / 8);
  expect(bfpCodec({ bits: 4, group: 64 }).encodedBytes(shape)).toBe((numbers * 4.125) / 8 + 384);
});

test('sorting key channels helps where some are much larger', () => {
  const shape = shapeOf(50, 192, 64);
  const values = modelLike(shape, 7);
  const block = blockOf(values);
  const before = readHalves(block);
  const error = (sortKeys: boolean): number => {
    const after = roundTrip(bfpCodec({ bits: 4, sortKeys }), block, shape);
    let sum = 0;
    for (let i = 0; i < 50 * 192; i++) {
      // The large channels keep their own error; the others no longer share their exponent.
      if ((i % 192) % 17 !== 3) sum += (before[i]! - after[i]!) ** 2;
    }
    return Math.sqrt(sum);
  };
  expect(error(true)).toBeLessThan(0.7 * error(false));
});

test.each([{ bits: 3 }, { bits: 9 }, { bits: 4.5 }, { group: 8 }, { group: 256 }])(
  'bfp refuses %j',
  (options) => {
    expect(() => bfpCodec(options)).toThrow(/bfpCodec/);
  },
);
