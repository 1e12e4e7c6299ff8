import { InvalidArgumentError } from '../../errors.js';
import type { BlockShape, KvCodec } from './codec.js';
import { floatsOf, writeFloats } from '../../engine/halves.js';

export interface BfpOptions {
  /** Bits of a number, its sign included: 4 to 8. Default 8. */
  readonly bits?: number;
  /** Numbers that share an exponent: 16 to 128. Default 32. */
  readonly group?: number;
  /**
   * Sorts key channels by their size before they are grouped, so that outlier channels share an exponent
   * with their like (Accurate Block Quantization, arXiv 2403.20137, K-sort). Keys are kept before rotation, so
   * any order of channels may be chosen for each chunk and layer; it is kept with the block. Default true.
   */
  readonly sortKeys?: boolean;
}

/** Exponent of a group in which all numbers are 0. */
const allZero = -128;

/**
 * Block floating point: numbers of a group share one exponent (8 bits) and keep a sign and a mantissa.
 * `bits + 8 / group` bits a number, and 2 bytes a key channel and layer for the order.
 *
 * @throws InvalidArgumentError for bits or groups out of range.
 */
export function bfpCodec(options: BfpOptions = {}): KvCodec {
  const { bits = 8, group = 32, sortKeys = true } = options;
  if (!Number.isInteger(bits) || bits < 4 || bits > 8) {
    throw new InvalidArgumentError(`bfpCodec: bits is ${bits}; give 4 to 8.`);
  }
  if (!Number.isInteger(group) || group < 16 || group > 128) {
    throw new InvalidArgumentError(`bfpCodec: group is ${group}; give 16 to 128.`);
  }
  const rowBytes = (width: number): number =>
    Math.ceil(width / group) + Math.ceil((width * bits) / 8);
  const orderBytes = ({ layout }: BlockShape): number => (sortKeys ? 2 * layout.keyWidth : 0);
  return {
    name: `bfp${bits}x${group}${sortKeys ? '-sorted' : ''}`,
    lossless: false,
    encodedBytes: (shape) =>
      orderBytes(shape) +
      shape.tokens * (rowBytes(shape.layout.keyWidth) + rowBytes(shape.layout.valueWidth)),
    encode(block, shape, target) {
      const { layout, tokens } = shape;
      const values = floatsOf(block);
      const order = sortKeys ? channelsBySize(values, tokens, layout.keyWidth) : undefined;
      let to = 0;
      for (const channel of order ?? []) {
        target[to++] = channel & 0xff;
        target[to++] = channel >>> 8;
      }
      const sorted = new Float32Array(layout.keyWidth);
      for (let row = 0; row < tokens; row++) {
        const keys = values.subarray(row * layout.keyWidth, (row + 1) * layout.keyWidth);
        for (let i = 0; i < keys.length; i++) sorted[i] = keys[order?.[i] ?? i] as number;
        to = encodeRow(sorted, target, to, bits, group);
      }
      const first = tokens * layout.keyWidth;
      for (let row = 0; row < tokens; row++) {
        const at = first + row * layout.valueWidth;
        to = encodeRow(values.subarray(at, at + layout.valueWidth), target, to, bits, group);
      }
    },
    decode(encoded, shape, target) {
      const { layout, tokens } = shape;
      const { keyWidth, valueWidth } = layout;
      const values = new Float32Array(tokens * (keyWidth + valueWidth));
      const order = sortKeys ? readOrder(encoded, keyWidth) : undefined;
      let from = orderBytes(shape);
      const sorted = new Float32Array(keyWidth);
      for (let row = 0; row < tokens; row++) {
        from = decodeRow(encoded, from, sorted, bits, group);
        const at = row * keyWidth;
        for (let i = 0; i < keyWidth; i++) values[at + (order?.[i] ?? i)] = sorted[i] as number;
      }
      for (let row = 0; row < tokens; row++) {
        const at = tokens * keyWidth + row * valueWidth;
        from = decodeRow(encoded, from, values.subarray(at, at + valueWidth), bits, group);
      }
      writeFloats(values, target);
    },
  };
}

function channelsBySize(values: Float32Array, tokens: number, width: number): Uint16Array {
  const sizes = new Float32Array(width);
  for (let row = 0; row < tokens; row++) {
    for (let i = 0; i < width; i++) {
      sizes[i] = Math.max(sizes[i] as number, Math.abs(values[row * width + i] as number));
    }
  }
  return Uint16Array.from(sizes.keys()).sort(
    (a, b) => (sizes[b] as number) - (sizes[a] as number) || a - b,
  );
}

/** A hostile record may hold any numbers: those outside stay inside by their remainder. */
function readOrder(encoded: Uint8Array, width: number): Uint16Array {
  return Uint16Array.from(
    { length: width },
    (_, i) => ((encoded[2 * i] as number) | ((encoded[2 * i + 1] as number) << 8)) % width,
  );
}

/** The smallest power of two with which the largest number of a group still rounds into range. */
function sharedExponent(most: number, limit: number): number {
  if (most === 0) return allZero;
  const exponent = Math.ceil(Math.log2(most / (limit + 0.5)));
  return Math.round(most / 2 ** exponent) > limit ? exponent + 1 : exponent;
}

/** Exponents of the groups, then the mantissas packed without gaps, lowest bits first. */
function encodeRow(
  row: Float32Array,
  target: Uint8Array,
  start: number,
  bits: number,
  group: number,
): number {
  let exponents = start;
  let to = start + Math.ceil(row.length / group);
  let held = 0;
  let heldBits = 0;
  const limit = 2 ** (bits - 1) - 1;
  for (let at = 0; at < row.length; at += group) {
    const end = Math.min(row.length, at + group);
    let most = 0;
    for (let i = at; i < end; i++) most = Math.max(most, Math.abs(row[i] as number));
    const exponent = sharedExponent(most, limit);
    target[exponents++] = exponent & 0xff;
    const scale = exponent === allZero ? 0 : 2 ** -exponent;
    for (let i = at; i < end; i++) {
      const level = Math.round((row[i] as number) * scale);
      held |= (level & (2 ** bits - 1)) << heldBits;
      heldBits += bits;
      while (heldBits >= 8) {
        target[to++] = held & 0xff;
        held >>>= 8;
        heldBits -= 8;
      }
    }
  }
  if (heldBits > 0) target[to++] = held & 0xff;
  return to;
}

function decodeRow(
  encoded: Uint8Array,
  start: number,
  row: Float32Array,
  bits: number,
  group: number,
): number {
  let exponents = start;
  let from = start + Math.ceil(row.length / group);
  let held = 0;
  let heldBits = 0;
  const unused = 32 - bits;
  for (let at = 0; at < row.length; at += group) {
    const exponent = ((encoded[exponents++] as number) << 24) >> 24;
    const scale = exponent === allZero ? 0 : 2 ** exponent;
    const end = Math.min(row.length, at + group);
    for (let i = at; i < end; i++) {
      while (heldBits < bits) {
        held |= (encoded[from++] as number) << heldBits;
        heldBits += 8;
      }
      row[i] = ((held << unused) >> unused) * scale;
      held >>>= bits;
      heldBits -= bits;
    }
  }
  return from;
}
