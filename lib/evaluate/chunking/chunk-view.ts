import type { Chunk } from '../../document.js';

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

/** A whole page around such views; needs no server and loads nothing. */
export function viewPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${body}
</body>
</html>
`;
}

/** Of as many colours as are needed to tell neighbours apart at a glance. */
const colours = 4;

const style = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem; color: #1d1d1f; background: #fff; }
table { border-collapse: collapse; } th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; }
.cuts { display: flex; gap: 1rem; overflow-x: auto; }
.cuts section { flex: 1 0 24rem; min-width: 0; }
.cuts pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.6 ui-monospace, monospace; }
mark { color: inherit; border-radius: 2px; box-decoration-break: clone; -webkit-box-decoration-break: clone; }
mark:hover { outline: 2px solid #444; }
.c0 { background: #cfe8ff; } .c1 { background: #ffe3b8; } .c2 { background: #d5f2c8; } .c3 { background: #f3d3ef; }
.shared { background: repeating-linear-gradient(45deg, #cfe8ff 0 6px, #ffe3b8 6px 12px); }
`;

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

/** Text as it may stand in HTML; what HTML cannot hold becomes U+FFFD. */
function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(/(?![\t\n\r])[\p{Cc}\p{Cs}]/gu, '\ufffd');
}
