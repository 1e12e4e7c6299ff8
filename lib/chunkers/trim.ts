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
    // A mark joins the space before it to a character, which is no blank.
    if (!isBlank(text, start, end) || !isGraphemeStart(text, end)) break;
    if (endsLine(text, start, end)) line = next;
    content = next;
  }
  if (content >= to) return to;
  // The indentation of a first line is kept, which code needs, unless it fills much of the chunk.
  return line >= 0 && content - line <= (to - line) / 4 ? line : content;
}

/** End of what is not blank in `[from, to)`; `from` where all is blank. */
export function contentEnd({ text, tokens }: TokenizedDocument, from: number, to: number): number {
  for (let end = to; end > from;) {
    const before = placeBefore(text, tokens, end - 1);
    if (!isBlank(text, tokens.starts[before] as number, tokens.starts[end] as number)) return end;
    end = before;
  }
  return from;
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
