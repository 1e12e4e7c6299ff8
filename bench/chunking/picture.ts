import type { Chunk, Document } from '../../lib/index.js';
import { escapeHtml } from '../../lib/evaluate/report/html.js';

/** A chunker's name, and its chunks of the text in order. */
export interface PictureColumn {
  readonly name: string;
  readonly chunks: readonly Chunk[];
}

/** Characters of a line, and pixels of one and of the line. */
const columns = 112;
const advance = 5.7;
const lineHeight = 14;
const top = 118;
const left = 16;
const strip = 22;
const gap = 10;
const colours = ['#4e79a7', '#f28e2b'] as const;

/**
 * A text once, and beside it a strip for each chunker, in turns of colour from where a chunk begins to where it ends: an SVG. A
 * place within a line is as far down its line as it is along it.
 */
export function cutsPicture(
  { id, text }: Pick<Document, 'id' | 'text'>,
  chunkers: readonly PictureColumn[],
): string {
  const lines = wrapped(text);
  const first = left + columns * advance + 24;
  const width = Math.ceil(first + chunkers.length * (strip + gap) + 70);
  const height = top + lines.length * lineHeight + 14;
  const heightOf = (place: number): number => {
    let line = lines.findIndex(({ end }) => place < end);
    if (line < 0) line = lines.length;
    const { start, end } = lines[line] ?? { start: place, end: place + 1 };
    return top + (line + Math.max(0, place - start) / (end - start)) * lineHeight;
  };
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="#333" role="img">`,
    `<title>${escapeHtml(id)} as ${chunkers.length} chunkers cut it</title>`,
    '<rect width="100%" height="100%" fill="#fff"/>',
  ];
  for (const [i, { start, end }] of lines.entries()) {
    const line = text.slice(start, end).trimEnd();
    if (line === '') continue;
    parts.push(
      `<text x="${left}" y="${top + i * lineHeight + 11}" font-family="monospace" font-size="9.5" textLength="${round(line.length * advance)}" xml:space="preserve">${escapeHtml(line)}</text>`,
    );
  }
  for (const [column, { name, chunks }] of chunkers.entries()) {
    const x = first + column * (strip + gap);
    parts.push(
      `<text transform="translate(${x + strip / 2 + 4} ${top - 8}) rotate(-55)">${escapeHtml(name)}</text>`,
    );
    for (const [i, chunk] of chunks.entries()) {
      const from = heightOf(chunk.start);
      const to = heightOf(chunk.end);
      parts.push(
        `<rect x="${x}" y="${round(from)}" width="${strip}" height="${round(Math.max(1, to - from - 1.5))}" rx="2" fill="${colours[i % colours.length]}"><title>${escapeHtml(`${name}, chunk ${i + 1}: ${chunk.tokens.length} tokens`)}</title></rect>`,
        ...(to - from > 16
          ? [
              `<text x="${x + strip / 2}" y="${round(from + 12)}" text-anchor="middle" font-size="9" fill="#fff">${chunk.tokens.length}</text>`,
            ]
          : []),
      );
    }
  }
  return `${[...parts, '</svg>'].join('\n')}\n`;
}

const round = (value: number): number => Math.round(10 * value) / 10;

interface Line {
  readonly start: number;
  /** What ends it included. */
  readonly end: number;
}

/** Lines of a text, long ones broken at blanks. */
function wrapped(text: string): Line[] {
  const lines: Line[] = [];
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', start);
    let end = newline < 0 ? text.length : newline + 1;
    if (text.slice(start, end).trimEnd().length > columns) {
      const blank = text.lastIndexOf(' ', start + columns);
      end = blank > start ? blank + 1 : start + columns;
    }
    lines.push({ start, end });
    start = end;
  }
  return lines;
}
