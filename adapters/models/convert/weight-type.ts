import { fromHalf, toHalf } from '../../../lib/engine/half.js';

/** Changes whenever the same folder is made into another file. */
export const CONVERSION = 1;

/** How matrices are stored. `f16`: 16 bits a weight; `q8_0`: 8.5 bits. */
export type WeightType = 'f32' | 'f16' | 'q8_0';

export const weightTypes: readonly WeightType[] = ['f32', 'f16', 'q8_0'];

/** `enum ggml_type`. */
const ggmlTypes = { f32: 0, f16: 1, q8_0: 8 } as const;
/** `enum llama_ftype`: what most of a file is stored in. */
const fileTypes = { f32: 0, f16: 1, q8_0: 7 } as const;

export const ggmlTypeOf = (type: WeightType): number => ggmlTypes[type];
export const fileTypeOf = (type: WeightType): number => fileTypes[type];

/** Weights of a q8_0 group, which share a scale in half precision. */
const GROUP = 32;

/** Bytes of a row, or undefined where the type cannot hold rows of that width. */
export function rowBytes(type: WeightType, width: number): number | undefined {
  if (type === 'f32') return width * 4;
  if (type === 'f16') return width * 2;
  return width % GROUP === 0 ? (width / GROUP) * (GROUP + 2) : undefined;
}

/** Largest magnitude that half precision holds; a scale of q8_0 is its largest weight over 127. */
const MOST_HALF = 65504;
const most = { f32: 3.5e38, f16: MOST_HALF, q8_0: 127 * MOST_HALF } as const;

/** Whether the type can hold every one of the values; NaN and infinity it cannot. */
export function canHold(type: WeightType, values: Float32Array): boolean {
  const limit = most[type];
  for (let i = 0; i < values.length; i++) {
    if (!(Math.abs(values[i] as number) <= limit)) return false;
  }
  return true;
}

/** Whole rows in ggml's layout, little-endian. */
export function encodeRows(type: WeightType, values: Float32Array): Uint8Array {
  if (type === 'f32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (type === 'f16') {
    const halves = new Uint16Array(values.length);
    for (let i = 0; i < halves.length; i++) halves[i] = toHalf(values[i] as number);
    return new Uint8Array(halves.buffer);
  }
  const bytes = new Uint8Array((values.length / GROUP) * (GROUP + 2));
  let at = 0;
  for (let from = 0; from < values.length; from += GROUP) {
    const group = values.subarray(from, from + GROUP);
    let largest = 0;
    for (const value of group) largest = Math.max(largest, Math.abs(value));
    const half = toHalf(largest / 127);
    const scale = fromHalf(half);
    bytes[at++] = half & 0xff;
    bytes[at++] = half >>> 8;
    for (const value of group) {
      const level = scale === 0 ? 0 : Math.round(value / scale);
      // The scale was rounded, so the largest weight may fall just outside.
      bytes[at++] = Math.max(-127, Math.min(127, level)) & 0xff;
    }
  }
  return bytes;
}
