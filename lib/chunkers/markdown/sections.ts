import { MarkdownLines } from '../markdown-lines.js';

/** `[start, end)` in UTF-16 units. */
export interface Section {
  readonly start: number;
  readonly end: number;
  /** Lists or quotes are nested deeper than any that people write; the parser's time grows with the square of it. */
  readonly isTooDeep: boolean;
}

/** UTF-16 units that a section has at least, unless the text ends. */
const least = 1 << 15;
/** From here on a paragraph may begin a section, not only a heading. */
const enough = 1 << 16;
/** Signs of lists and quotes at the beginning of a line. */
const deepest = 100;

/**
 * Parts of a Markdown text that a parser may read one by one: each begins with a heading at the beginning of a line,
 * outside of fenced code, or in a long text without headings with a paragraph.
 */
export function sectionsOf(text: string): Section[] {
  const lines = new MarkdownLines(text, true);
  const sections: Section[] = [];
  let start = 0;
  let isAfterBlank = false;
  let isTooDeep = false;
  for (let line = 0; line < text.length;) {
    const newline = text.indexOf('\n', line);
    const end = newline < 0 ? text.length : newline + 1;
    let index = line;
    while (index < end && (text.charCodeAt(index) === 0x20 || text.charCodeAt(index) === 0x09)) {
      index++;
    }
    const unit = text.charCodeAt(index);
    const isBlank = index >= end || unit === 0x0a || unit === 0x0d;
    if (!isBlank) {
      const wasOpen = lines.inFence;
      const kind = lines.read(line, index);
      const isHeading = kind === 'heading' && index === line;
      const isParagraph = kind === 'text' && index === line && isAfterBlank && !wasOpen;
      if ((isHeading && line - start >= least) || (isParagraph && line - start >= enough)) {
        sections.push({ start, end: line, isTooDeep });
        start = line;
        isTooDeep = false;
      }
    }
    if (nesting(text, index, end) > deepest) isTooDeep = true;
    isAfterBlank = isBlank;
    line = end;
  }
  if (start < text.length) sections.push({ start, end: text.length, isTooDeep });
  return sections;
}

/** Signs of lists and quotes before anything else on a line. */
function nesting(text: string, from: number, end: number): number {
  let signs = 0;
  for (let i = from; i < end && ' \t>-*+'.includes(text.charAt(i)); i++) {
    if (text.charCodeAt(i) > 0x20) signs++;
  }
  return signs;
}
