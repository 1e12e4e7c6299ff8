import type { TokenizedDocument } from '../document.js';
import { contentEnd, contentStart } from './trim.js';
import type { Units } from './units.js';

/**
 * Spans of tokens from runs of units: `borders` are the numbers of the units that begin a chunk, in order, from the
 * first on. Blanks around a chunk's text, and chunks of nothing else, are left out.
 */
export function spansOfUnits(
  document: TokenizedDocument,
  units: Units,
  borders: ArrayLike<number>,
): Int32Array {
  const spans = new Int32Array(2 * borders.length);
  let size = 0;
  for (let i = 0; i < borders.length; i++) {
    const from = units.starts[borders[i] as number] as number;
    const to = units.starts[borders[i + 1] ?? units.size] as number;
    const start = contentStart(document, from, to);
    const end = contentEnd(document, start, to);
    if (end <= start) continue;
    spans[size++] = start;
    spans[size++] = end;
  }
  return spans.subarray(0, size);
}
