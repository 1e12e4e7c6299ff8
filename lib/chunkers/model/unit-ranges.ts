import type { TokenizedDocument } from '../../document.js';
import type { Steps } from '../../pace.js';
import { mergeUnits } from '../merge-units.js';
import { contentEnd, contentStart } from '../trim.js';
import type { Units } from '../units.js';

/** The sentences `[from, to)`. */
export interface UnitRange {
  readonly from: number;
  readonly to: number;
}

/** Longest sentence, in tokens, that a model is asked about. */
export const sentenceTokens = 120;

/**
 * Joins neighbours from left to right as long as they have at most `target` tokens together (Meta-Chunking's dynamic
 * merging, with tokens for words). A range that is longer by itself stays.
 */
export function joinRanges(
  { starts }: Pick<Units, 'starts'>,
  ranges: readonly UnitRange[],
  target: number,
): UnitRange[] {
  const joined: UnitRange[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    const tokens = (starts[range.to] as number) - (starts[last?.from ?? 0] as number);
    if (last && tokens <= target) joined[joined.length - 1] = { from: last.from, to: range.to };
    else joined.push(range);
  }
  return joined;
}

/** Joins ranges that are shorter than `minTokens` with a neighbour, where the two have at most `maxTokens` together. */
export function joinShortRanges(
  { starts }: Pick<Units, 'starts'>,
  ranges: readonly UnitRange[],
  { minTokens, maxTokens }: { readonly minTokens: number; readonly maxTokens: number },
): UnitRange[] {
  const tokens = (from: number, to: number) => (starts[to] as number) - (starts[from] as number);
  const joined: UnitRange[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    const shorter = last && Math.min(tokens(last.from, last.to), tokens(range.from, range.to));
    if (
      last &&
      shorter !== undefined &&
      shorter < minTokens &&
      tokens(last.from, range.to) <= maxTokens
    ) {
      joined[joined.length - 1] = { from: last.from, to: range.to };
    } else joined.push(range);
  }
  return joined;
}

/** Cuts ranges that are longer than `maxTokens` as a content-defined chunker does. */
export function* fitRanges(
  document: TokenizedDocument,
  units: Units,
  ranges: readonly UnitRange[],
  maxTokens: number,
): Steps<UnitRange[]> {
  const fitting: UnitRange[] = [];
  for (const range of ranges) {
    const { from, to } = range;
    if ((units.starts[to] as number) - (units.starts[from] as number) <= maxTokens) {
      fitting.push(range);
      continue;
    }
    const inside: Units = {
      ...units,
      size: to - from,
      starts: units.starts.subarray(from, to + 1),
      kinds: units.kinds.subarray(from, to),
    };
    const borders = yield* mergeUnits(document, inside, maxTokens);
    for (const [i, border] of borders.entries()) {
      fitting.push({ from: from + border, to: from + (borders[i + 1] ?? to - from) });
    }
  }
  return fitting;
}

/** Token spans of ranges, `start, end, start, end, ...`, without blanks around them and without empty ones. */
export function spansOfRanges(
  document: TokenizedDocument,
  { starts }: Pick<Units, 'starts'>,
  ranges: readonly UnitRange[],
): number[] {
  const spans: number[] = [];
  for (const { from, to } of ranges) {
    const start = contentStart(document, starts[from] as number, starts[to] as number);
    const end = contentEnd(document, start, starts[to] as number);
    const [lastStart = -1, lastEnd = -1] = spans.slice(-2);
    // Where sentences are shared, a range may have nothing of its own,
    if (end <= start || end <= lastEnd) continue;
    // or hold all of the one before it.
    if (start <= lastStart) spans.length -= 2;
    spans.push(start, end);
  }
  return spans;
}
