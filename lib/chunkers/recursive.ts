import type { Chunk, TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { part, runSteps, type Steps } from '../pace.js';
import { BorderMap } from './border-map.js';
import { isBlankClass, classAt } from './characters.js';
import { ChunkBuilder } from './chunk-builder.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import type { Outline } from './outline.js';
import {
  checkSeparators,
  defaultSeparators,
  describeSeparators,
  markLiterals,
  type Separator,
} from './separators.js';
import { SpanCutter } from './span-cutter.js';
import { TextScanner } from './text-scanner.js';

export interface RecursiveChunkerOptions {
  /** Most tokens of a chunk, at least 4; default 250. */
  readonly maxTokens?: number;
  /**
   * A chunk shorter than this many tokens is joined with text of its neighbour where that fits; default a
   * tenth of `maxTokens`, at most half of it.
   */
  readonly minTokens?: number;
  /**
   * Where to cut, best first; default heading, paragraph, line, sentence, clause. Words, then punctuation,
   * then the inside of words always follow, each only where nothing better fits.
   */
  readonly separators?: readonly Separator[];
}

/**
 * Cuts at the best separator that keeps chunks within `maxTokens`, and joins neighbours while they fit. Chunks
 * do not overlap; blank tokens around them belong to none. Takes linear time, whatever the text.
 *
 * Markdown headings count, and fenced code is kept together, unless `document.metadata.format` is `text`.
 * Each chunk's metadata has the `line` where it starts, from 1, and the `headings` above it, if any.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than
 * `maxTokens` tokens follow each other without a border between characters.
 */
export function recursiveChunker(options: RecursiveChunkerOptions = {}): Chunker {
  const { maxTokens = 250, separators = defaultSeparators } = options;
  if (!Number.isInteger(maxTokens) || maxTokens < 4) {
    throw new InvalidArgumentError(
      `maxTokens must be a whole number of at least 4, not ${maxTokens}.`,
    );
  }
  const minTokens = options.minTokens ?? Math.floor(maxTokens / 10);
  if (!Number.isInteger(minTokens) || minTokens < 0 || minTokens > maxTokens / 2) {
    throw new InvalidArgumentError(
      `minTokens must be a whole number from 0 to half of maxTokens (${maxTokens}), not ${minTokens}.`,
    );
  }
  checkSeparators(separators);
  const kept = [...separators];

  let name = `recursive(${maxTokens}`;
  if (options.minTokens !== undefined) name += `, min ${minTokens}`;
  if (options.separators !== undefined) name += `, at ${describeSeparators(kept)}`;

  return {
    name: `${name})`,
    chunk: async (document: TokenizedDocument, chunkOptions: ChunkOptions = {}) => {
      const { ids, starts } = document.tokens;
      if (starts.length !== ids.length + 1) {
        throw new InvalidArgumentError(
          `The tokens of document "${document.id}" need ${ids.length + 1} starts, not ${starts.length}.`,
        );
      }
      return runSteps(cut(document, kept, minTokens, maxTokens), chunkOptions);
    },
  };
}

function* cut(
  document: TokenizedDocument,
  separators: readonly Separator[],
  minTokens: number,
  maxTokens: number,
): Steps<Chunk[]> {
  const borders = new BorderMap(document.text, document.tokens, separators.length);
  yield* part(borders.survey(), 0, 0.3);
  yield* part(markLiterals(borders, separators), 0.3, 0.35);
  const scanner = new TextScanner(borders, separators, document.metadata?.['format'] !== 'text');
  const outline = yield* part(scanner.scan(), 0.35, 0.6);
  const spans = yield* part(new SpanCutter(borders, minTokens, maxTokens).cut(), 0.6, 0.8);
  return yield* part(buildChunks(document, spans, outline), 0.8, 1);
}

function* buildChunks(
  document: TokenizedDocument,
  spans: readonly number[],
  outline: Outline,
): Steps<Chunk[]> {
  const { text, tokens } = document;
  const builder = new ChunkBuilder(document);
  const walker = outline.walker(text);
  const chunks: Chunk[] = [];
  for (let i = 0; i < spans.length; i += 2) {
    const tokenStart = spans[i] ?? 0;
    const tokenEnd = spans[i + 1] ?? 0;
    let first = tokens.starts[tokenStart] ?? 0;
    while (isBlankClass(classAt(text, first))) first++;
    const line = yield* walker.lineAt(first);
    const headings = yield* walker.headingsAt(first);
    chunks.push(
      builder.build(tokenStart, tokenEnd, headings.length > 0 ? { line, headings } : { line }),
    );
    if ((i & 0x1f) === 0) yield i / spans.length;
  }
  return chunks;
}
