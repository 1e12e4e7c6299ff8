/** IEEE 754 half precision, the element type of chunk KV: conversion with rounding to nearest, ties to even. */

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/** The 16 bits of the half-precision number nearest to `value` (as a single). NaN stays NaN. */
export function toHalf(value: number): number {
  single[0] = value;
  const bits = singleBits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  const mantissa = bits & 0x7fffff;
  if (exponent === 143) return sign | 0x7c00 | (mantissa === 0 ? 0 : 0x200);
  if (exponent >= 31) return sign | 0x7c00;
  if (exponent < -10) return sign;
  // A carry out of the mantissa runs into the exponent, which is what rounding up means there.
  if (exponent > 0) return sign | roundShift((exponent << 23) | mantissa, 13);
  return sign | roundShift(mantissa | 0x800000, 14 - exponent);
}

function roundShift(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return rest > middle || (rest === middle && (kept & 1) === 1) ? kept + 1 : kept;
}

let table: Float32Array | undefined;

/** The number that 16 bits stand for. */
export function fromHalf(bits: number): number {
  table ??= Float32Array.from({ length: 0x10000 }, (_, half) => expand(half));
  return table[bits & 0xffff] as number;
}

function expand(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/** The half-precision number nearest to `value`. */
export function roundToHalf(value: number): number {
  return fromHalf(toHalf(value));
}

/** Reads little-endian half-precision numbers; the bytes need not be aligned. */
export function readHalves(bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length >> 1);
  for (let i = 0; i < values.length; i++) {
    values[i] = fromHalf((bytes[2 * i] as number) | ((bytes[2 * i + 1] as number) << 8));
  }
  return values;
}

/** Writes numbers as little-endian half precision at the start of `bytes`. */
export function writeHalves(values: ArrayLike<number>, bytes: Uint8Array): void {
  for (let i = 0; i < values.length; i++) {
    const half = toHalf(values[i] as number);
    bytes[2 * i] = half & 0xff;
    bytes[2 * i + 1] = half >>> 8;
  }
}
