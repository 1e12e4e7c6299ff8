import type { Range } from '../../lib/evaluate/index.js';

export interface ChromaSplitterOptions {
  readonly size: number;
  readonly overlap: number;
  readonly lengthOf: (text: string) => number;
  /** Default those of Chroma's report. */
  readonly separators?: readonly string[];
}

const chromaSeparators = ['\n\n', '\n', '.', '?', '!', ' ', ''];

/**
 * The recursive splitter of Chroma's report (which is LangChain's, with other separators): pieces begin with the separator
 * before them, their lengths are counted one by one and added up, and chunks lose blanks at both ends.
 */
export function splitAsChroma(text: string, options: ChromaSplitterOptions): Range[] {
  const { separators = chromaSeparators } = options;
  return split({ start: 0, end: text.length }, separators).filter(({ start, end }) => end > start);

  function split(range: Range, from: readonly string[]): Range[] {
    const inner = text.slice(range.start, range.end);
    const at = from.findIndex((candidate) => candidate === '' || inner.includes(candidate));
    const separator = at < 0 ? (from.at(-1) ?? '') : (from[at] as string);
    const weaker = at < 0 || separator === '' ? [] : from.slice(at + 1);
    const chunks: Range[] = [];
    let fitting: Range[] = [];
    for (const piece of piecesOf(range, separator)) {
      if (options.lengthOf(text.slice(piece.start, piece.end)) < options.size) {
        fitting.push(piece);
        continue;
      }
      chunks.push(...merge(fitting));
      fitting = [];
      chunks.push(...(weaker.length > 0 ? split(piece, weaker) : [trimmed(piece)]));
    }
    return [...chunks, ...merge(fitting)];
  }

  function piecesOf({ start, end }: Range, separator: string): Range[] {
    const borders = [start];
    if (separator === '') {
      for (let i = start + 1; i < end; i++) borders.push(i);
    } else {
      let at = text.indexOf(separator, start);
      while (at >= 0 && at + separator.length <= end) {
        if (at > start) borders.push(at);
        at = text.indexOf(separator, at + separator.length);
      }
    }
    return borders.map((border, i) => ({ start: border, end: borders[i + 1] ?? end }));
  }

  function merge(pieces: readonly Range[]): Range[] {
    const { size, overlap } = options;
    const lengths = pieces.map(({ start, end }) => options.lengthOf(text.slice(start, end)));
    const chunks: Range[] = [];
    let first = 0;
    let total = 0;
    const emit = (end: number) => {
      const from = pieces[first];
      const to = pieces[end - 1];
      if (from && to && end > first) chunks.push(trimmed({ start: from.start, end: to.end }));
    };
    for (let i = 0; i < pieces.length; i++) {
      const length = lengths[i] as number;
      if (total + length > size) {
        emit(i);
        while (first < i && (total > overlap || (total + length > size && total > 0))) {
          total -= lengths[first++] as number;
        }
      }
      total += length;
    }
    emit(pieces.length);
    return chunks;
  }

  function trimmed({ start, end }: Range): Range {
    const inner = text.slice(start, end);
    const from = start + inner.length - inner.trimStart().length;
    return { start: from, end: Math.max(from, start + inner.trimEnd().length) };
  }
}
