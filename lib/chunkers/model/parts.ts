import type { TokenizedDocument } from '../../document.js';
import { segmentsOf } from '../../encode/segments.js';
import type { Units } from '../units.js';
import type { UnitRange } from './unit-ranges.js';

/**
 * Divides sentences into parts that a model is asked about one by one, of `minTokens` to `maxTokens` tokens. Where one begins
 * follows from the text that begins there, so that an edit has its neighbourhood asked about again and no more.
 */
export function contentParts(
  { tokens }: TokenizedDocument,
  units: Units,
  { maxTokens, minTokens }: { readonly maxTokens: number; readonly minTokens: number },
): UnitRange[] {
  if (units.size === 0) return [];
  const sentences = Array.from({ length: units.size }, (_, i) => ({
    start: units.starts[i] as number,
    end: units.starts[i + 1] as number,
  }));
  return segmentsOf(tokens.ids, sentences, { maxTokens, minTokens, overlap: 0 }).map(
    ({ chunks }) => ({ from: chunks.start, to: chunks.end }),
  );
}
