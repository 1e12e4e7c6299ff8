import type { Chunk } from '../../document.js';
import { escapeHtml } from '../report/html.js';

/** A text as one chunker cuts it. */
export interface ChunkViewColumn {
  readonly name: string;
  /** In the order of the text. */
  readonly chunks: readonly Chunk[];
}

/**
 * A text as HTML, once for each chunker, side by side: chunks in turns of colour, what two of them share striped, what
 * is in none plain. A chunk says its number, tokens and headings when pointed at.
 */
export function chunkView(text: string, columns: readonly ChunkViewColumn[]): string {
  const cells = columns.map(
    ({ name, chunks }) =>
      `<section><h3>${escapeHtml(name)}: ${chunks.length} chunks</h3><pre>${marked(text, chunks)}</pre></section>`,
  );
  return `<div class="cuts">${cells.join('\n')}</div>`;
}

/** Of as many colours as are needed to tell neighbours apart at a glance. */
const colours = 4;

function marked(text: string, chunks: readonly Chunk[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const [i, chunk] of chunks.entries()) {
    const from = Math.max(at, chunk.start);
    if (from > at) parts.push(escapeHtml(text.slice(at, from)));
    // What the next one repeats belongs to both.
    const shared = Math.max(from, Math.min(chunk.end, chunks[i + 1]?.start ?? chunk.end));
    parts.push(mark(text.slice(from, shared), `c${i % colours}`, describe(chunk, i)));
    if (chunk.end > shared) {
      parts.push(mark(text.slice(shared, chunk.end), 'shared', `chunks ${i + 1} and ${i + 2}`));
    }
    at = Math.max(at, chunk.end);
  }
  parts.push(escapeHtml(text.slice(at)));
  return parts.join('');
}

function mark(text: string, kind: string, title: string): string {
  if (text === '') return '';
  return `<mark class="${kind}" title="${escapeHtml(title)}">${escapeHtml(text)}</mark>`;
}

function describe({ tokens, metadata }: Chunk, index: number): string {
  const parts = [`chunk ${index + 1}`, `${tokens.length} tokens`];
  const { line, page, headings, intent } = metadata ?? {};
  if (typeof line === 'number') parts.push(`line ${line}`);
  if (typeof page === 'number') parts.push(`page ${page}`);
  if (Array.isArray(headings)) parts.push(headings.join(' > '));
  if (typeof intent === 'string') parts.push(intent);
  return parts.join('; ');
}
