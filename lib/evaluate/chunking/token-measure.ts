import type { TokenizedDocument } from '../../document.js';
import { InvalidArgumentError } from '../../errors.js';
import type { Measure } from './ranges.js';

/**
 * Measures spans in tokens of their documents: those that begin within. A token that begins inside a character counts
 * where that character begins.
 */
export function tokenMeasure(documents: Iterable<TokenizedDocument>): Measure {
  const starts = new Map<string, Int32Array>();
  for (const { id, tokens } of documents) {
    const known = tokens.starts.slice(0, tokens.ids.length);
    for (let i = 0; i < known.length; i++) {
      if ((known[i] as number) < 0) known[i] = known[i - 1] ?? 0;
    }
    starts.set(id, known);
  }
  return ({ documentId, start, end }) => {
    const known = starts.get(documentId);
    if (!known) throw new InvalidArgumentError(`Document "${documentId}" is not known here.`);
    return firstAtLeast(known, end) - firstAtLeast(known, start);
  };
}

function firstAtLeast(sorted: Int32Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
