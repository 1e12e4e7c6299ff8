import { MarkdownLines } from '../markdown-lines.js';

/** `[start, end)` in UTF-16 units. */
export interface Section {
  readonly start: number;
  readonly end: number;
}

/** UTF-16 units that a section has at least, unless the text ends. */
const least = 1 << 15;
/** From here on a paragraph may begin a section, not only a heading. */
const enough = 1 << 18;

/**
 * Parts of a Markdown text that a parser may read one by one: each begins with a heading at the beginning of a line,
 * outside of fenced code, or in a long text without headings with a paragraph.
 */
export function sectionsOf(text: string): Section[] {
  const lines = new MarkdownLines(text, true);
  const sections: Section[] = [];
  let start = 0;
  let isAfterBlank = false;
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
        sections.push({ start, end: line });
        start = line;
      }
    }
    isAfterBlank = isBlank;
    line = end;
  }
  if (start < text.length) sections.push({ start, end: text.length });
  return sections;
}
