import { fromHalf, toHalf } from '../../engine/half.js';
import type { BlockShape, KvCodec } from './codec.js';
import { floatsOf, writeFloats } from '../../engine/halves.js';

const group = 32;

/**
 * ggml's q8_0: groups of 32 numbers of a row share a half-precision scale, each number is 8 bits; 8.5 bits a
 * number. A row whose width is no multiple of 32 ends in a shorter group.
 */
export function q8Codec(): KvCodec {
  return {
    name: 'q8_0',
    lossless: false,
    encodedBytes: ({ layout, tokens }) =>
      tokens * (rowBytes(layout.keyWidth) + rowBytes(layout.valueWidth)),
    encode(block, shape, target) {
      const values = floatsOf(block);
      let from = 0;
      let to = 0;
      for (const width of widthsOf(shape)) {
        for (let at = 0; at < width; at += group) {
          const end = Math.min(width, at + group);
          to = encodeGroup(values.subarray(from + at, from + end), target, to);
        }
        from += width;
      }
    },
    decode(encoded, shape, target) {
      const { layout, tokens } = shape;
      const values = new Float32Array(tokens * (layout.keyWidth + layout.valueWidth));
      let from = 0;
      let to = 0;
      for (const width of widthsOf(shape)) {
        for (let at = 0; at < width; at += group) {
          const count = Math.min(group, width - at);
          const low = encoded[from] as number;
          const scale = fromHalf(low | ((encoded[from + 1] as number) << 8));
          from += 2;
          for (let i = 0; i < count; i++) {
            values[to++] = (((encoded[from++] as number) << 24) >> 24) * scale;
          }
        }
      }
      writeFloats(values, target);
    },
  };
}

function rowBytes(width: number): number {
  return width + 2 * Math.ceil(width / group);
}

/** Widths of the rows of a block in order: all keys, then all values. */
function* widthsOf({ layout, tokens }: BlockShape): Generator<number> {
  for (let row = 0; row < tokens; row++) yield layout.keyWidth;
  for (let row = 0; row < tokens; row++) yield layout.valueWidth;
}

function encodeGroup(values: Float32Array, target: Uint8Array, at: number): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  const half = toHalf(most / 127);
  const scale = fromHalf(half);
  target[at++] = half & 0xff;
  target[at++] = half >>> 8;
  for (const value of values) {
    const level = scale === 0 ? 0 : Math.round(value / scale);
    // The scale was rounded, so the largest number may fall just outside.
    target[at++] = Math.max(-127, Math.min(127, level)) & 0xff;
  }
  return at;
}
