import type { TokenizedDocument } from '../document.js';
import { NEWLINE, classAt, classBefore, isBlank } from './characters.js';
import { isGraphemeStart } from './graphemes.js';
import { placeAfter, placeBefore } from './places.js';

/** First token of `[from, to)` that a chunk should begin with; `to` where all is blank. */
export function contentStart(document: TokenizedDocument, from: number, to: number): number {
  const { text, tokens } = document;
  let content = from;
  let line = isLineStart(text, tokens.starts[from] ?? 0) ? from : -1;
  while (content < to) {
    const next = placeAfter(text, tokens, content);
    const start = tokens.starts[content] as number;
    const end = tokens.starts[next] as number;
    if (!isBlank(text, start, end)) break;
    if (endsLine(text, start, end) && isGraphemeStart(text, end)) line = next;
    content = next;
  }
  if (content >= to) return to;
  // A mark joins the space before it to a character.
  while (content > from && !isGraphemeStart(text, tokens.starts[content] as number)) {
    content = placeBefore(text, tokens, content - 1);
  }
  // The indentation of a first line is kept, which code needs, unless it fills much of the chunk.
  return line >= 0 && content - line <= (to - line) / 4 ? line : content;
}

/** End of what is not blank in `[from, to)`; `from` where all is blank. */
export function contentEnd({ text, tokens }: TokenizedDocument, from: number, to: number): number {
  let end = to;
  while (end > from) {
    const before = placeBefore(text, tokens, end - 1);
    if (!isBlank(text, tokens.starts[before] as number, tokens.starts[end] as number)) break;
    end = before;
  }
  // A token may hold the first half of what ends a line.
  while (end > from && end < to && !isGraphemeStart(text, tokens.starts[end] as number)) {
    end = placeAfter(text, tokens, end);
  }
  return end;
}

function isLineStart(text: string, index: number): boolean {
  return index === 0 || classBefore(text, index) === NEWLINE;
}

function endsLine(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (classAt(text, i) === NEWLINE) return true;
  }
  return false;
}
