import { fromHalf, toHalf } from './half.js';

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Little-endian half-precision numbers as floats. */
export function floatsOf(bytes: Uint8Array): Float32Array {
  const halves = wordsOf(bytes);
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = fromHalf(halves[i] as number);
  return values;
}

/** Writes floats as little-endian half-precision numbers. */
export function writeFloats(values: Float32Array, bytes: Uint8Array): void {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) halves[i] = toHalf(values[i] as number);
  if (!littleEndian) swap(halves);
  bytes.set(new Uint8Array(halves.buffer));
}

function wordsOf(bytes: Uint8Array): Uint16Array {
  const aligned = littleEndian && bytes.byteOffset % 2 === 0;
  const source = aligned ? bytes : bytes.slice();
  const words = new Uint16Array(source.buffer, source.byteOffset, source.length >> 1);
  if (!littleEndian) swap(words);
  return words;
}

function swap(words: Uint16Array): void {
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number;
    words[i] = ((word & 0xff) << 8) | (word >>> 8);
  }
}
