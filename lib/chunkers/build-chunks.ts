import type { Chunk, TokenizedDocument } from '../document.js';
import type { Steps } from '../pace.js';
import { classAt, isBlank, isBlankClass } from './characters.js';
import { ChunkBuilder } from './chunk-builder.js';
import { hasLines } from './formats.js';
import { LineCounter } from './line-counter.js';
import type { Outline } from './outline.js';
import { IN_WORD, weakness } from './places.js';

/**
 * Chunks of token spans, `start, end, start, end, ...`, none blank. Each has in its metadata the `line` where its text
 * starts, from 1, but for PDF; the `headings` above it, if any; its `page`, from 1, in a text with form feeds; and
 * `beginsInside: 'word'` where nothing better than the inside of a word was left to cut at.
 */
export function* buildChunks(
  document: TokenizedDocument,
  spans: ArrayLike<number>,
  outline: Outline,
): Steps<Chunk[]> {
  const { text, tokens } = document;
  const builder = new ChunkBuilder(document);
  const walker = outline.walker(text);
  const places = new LineCounter(text);
  const isLined = hasLines(document);
  const chunks: Chunk[] = [];
  for (let i = 0; i < spans.length; i += 2) {
    const tokenStart = spans[i] ?? 0;
    const tokenEnd = spans[i + 1] ?? 0;
    const start = tokens.starts[tokenStart] ?? 0;
    // What was cut out of the middle of a character may be nothing but its space.
    if (isBlank(text, start, tokens.starts[tokenEnd] ?? 0)) continue;
    let first = start;
    while (isBlankClass(classAt(text, first))) first++;
    const line = isLined ? places.lineAt(first) : undefined;
    // A PDF of one page has no form feed.
    const page = places.pageAt(first) ?? (isLined ? undefined : 1);
    const headings = yield* walker.headingsAt(first);
    const isInside = start > 0 && weakness(text, start) >= IN_WORD;
    chunks.push(
      builder.build(tokenStart, tokenEnd, {
        ...(line !== undefined && { line }),
        ...(page !== undefined && { page }),
        ...(headings.length > 0 && { headings }),
        ...(isInside && { beginsInside: 'word' }),
      }),
    );
    if ((i & 0x1f) === 0) yield i / spans.length;
  }
  return chunks;
}
