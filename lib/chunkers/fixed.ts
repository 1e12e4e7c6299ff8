import type { Chunk, TokenizedDocument } from '../document.js';
import { part, runSteps, type Steps } from '../pace.js';
import { buildChunks } from './build-chunks.js';
import { NEWLINE, classAt } from './characters.js';
import type { Chunker } from './chunker.js';
import { isMarkdown } from './formats.js';
import { checkTokens, checkedLimits, nameOf, refuseUncuttable, type Limits } from './limits.js';
import { MarkdownLines } from './markdown-lines.js';
import type { Outline } from './outline.js';
import { IN_GRAPHEME, isPlace, weakness } from './places.js';
import { contentEnd, contentStart } from './trim.js';

export interface FixedChunkerOptions {
  /** Tokens of a chunk, at least 4; default 200. */
  readonly maxTokens?: number;
  /** Tokens at the end of a chunk that the next one begins with; default 0, at most half of `maxTokens`. */
  readonly overlapTokens?: number;
}

/**
 * Cuts after every `maxTokens` tokens, wherever that is: the baseline that other chunkers are held against. Only
 * characters stay whole, so a chunk may be a few tokens shorter. An edit moves every later border.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than `maxTokens` tokens
 * follow each other without a border between characters
 */
export function fixedChunker(options: FixedChunkerOptions = {}): Chunker {
  const limits = checkedLimits({ ...options, maxTokens: options.maxTokens ?? 200 });
  const { maxTokens, overlapTokens } = limits;
  return {
    name: nameOf('fixed', [maxTokens, overlapTokens > 0 && `overlap ${overlapTokens}`]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return runSteps(cut(document, limits), chunkOptions);
    },
  };
}

function* cut(document: TokenizedDocument, limits: Limits): Steps<Chunk[]> {
  const outline = yield* part(headingsOf(document), 0, 0.3);
  const spans = yield* part(spansOf(document, limits), 0.3, 0.5);
  return yield* part(buildChunks(document, spans, outline), 0.5, 1);
}

function* spansOf(document: TokenizedDocument, limits: Limits): Steps<number[]> {
  const { maxTokens, overlapTokens } = limits;
  const size = document.tokens.ids.length;
  const spans: number[] = [];
  for (let from = 0; from < size;) {
    const to = from + maxTokens >= size ? size : lastCharacter(document, from, maxTokens);
    const start = contentStart(document, from, to);
    const end = contentEnd(document, start, to);
    if (end > start && end > (spans.at(-1) ?? 0)) spans.push(start, end);
    if (to === size) break;
    // Behind the start of this chunk's text, or the next one would begin with it.
    let next = Math.min(to, Math.max(start + 1, to - overlapTokens));
    while (next < to && !isCharacter(document, next)) next++;
    from = next;
    if ((spans.length & 0x3f) === 0) yield from / size;
  }
  return spans;
}

/** The last place between characters that leaves at most `max` tokens; inside of one that is longer by itself. */
function lastCharacter(document: TokenizedDocument, from: number, max: number): number {
  const { text, tokens } = document;
  let inside = -1;
  for (let token = from + max; token > from; token--) {
    if (isCharacter(document, token)) return token;
    if (inside < 0 && isPlace(text, tokens, token)) inside = token;
  }
  if (inside < 0) refuseUncuttable(max, tokens.starts[from] as number, max);
  return inside;
}

function isCharacter({ text, tokens }: TokenizedDocument, token: number): boolean {
  if (!isPlace(text, tokens, token)) return false;
  return weakness(text, tokens.starts[token] as number) < IN_GRAPHEME;
}

/** Reads only what lines begin with. */
function* headingsOf(document: TokenizedDocument): Steps<Outline> {
  const { text } = document;
  const lines = new MarkdownLines(text, isMarkdown(document));
  if (!isMarkdown(document)) return lines.outline;
  let count = 0;
  for (let start = 0; start < text.length;) {
    let index = start;
    while (text.charCodeAt(index) === 0x20) index++;
    if (index < text.length && classAt(text, index) !== NEWLINE) lines.read(start, index);
    // Line ends of old Macs alone are none here.
    const end = text.indexOf('\n', index);
    if (end < 0) break;
    start = end + 1;
    if ((++count & 0x3ff) === 0) yield start / text.length;
  }
  return lines.outline;
}
