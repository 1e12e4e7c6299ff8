import type { TokenizedDocument } from '../document.js';
import type { Steps } from '../pace.js';
import { FORCED, hashBefore, type Units } from './units.js';

/** Bits of a border's rank among others: its kind, its hash, its number. */
const HASH = 2 ** 20;
const NUMBER = 2 ** 28;

export function* mergeUnits(
  document: TokenizedDocument,
  { size, starts, kinds }: Units,
  maxTokens: number,
): Steps<Int32Array> {
  const { text, tokens } = document;
  const order = new Float64Array(Math.max(0, size - 1));
  for (let unit = 1; unit < size; unit++) {
    const place = tokens.starts[starts[unit] as number] as number;
    const from = tokens.starts[starts[unit - 1] as number] as number;
    const rank = FORCED - (kinds[unit] as number);
    const hash = hashBefore(text, place, from) >>> 12;
    order[unit - 1] = (rank * HASH + hash) * NUMBER + unit;
    if ((unit & 0x3ff) === 0) yield (0.4 * unit) / size;
  }
  order.sort();
  yield 0.6;
  // The first unit of the run that each unit ends, and the end of the run that each unit begins.
  const firsts = Int32Array.from({ length: size }, (_, i) => i);
  const ends = Int32Array.from({ length: size }, (_, i) => i + 1);
  const joined = new Uint8Array(size);
  for (let i = 0; i < order.length; i++) {
    const unit = (order[i] as number) % NUMBER;
    const first = firsts[unit - 1] as number;
    const end = ends[unit] as number;
    if ((starts[end] as number) - (starts[first] as number) > maxTokens) continue;
    joined[unit] = 1;
    firsts[end - 1] = first;
    ends[first] = end;
    if ((i & 0x3ff) === 0) yield 0.6 + (0.4 * i) / size;
  }
  const borders = new Int32Array(size);
  let count = 0;
  for (let unit = 0; unit < size; unit++) {
    if (joined[unit] === 0) borders[count++] = unit;
  }
  return borders.subarray(0, count);
}
