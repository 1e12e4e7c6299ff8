import type { Chunk, TokenizedDocument } from '../document.js';
import { part, runSteps, type Steps } from '../pace.js';
import { BorderMap, BorderMarker } from './border-map.js';
import { buildChunks } from './build-chunks.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import { isMarkdown } from './formats.js';
import { checkTokens, checkedLimits, nameOf, type Limits } from './limits.js';
import { addOverlap } from './overlap.js';
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
  /** Tokens that a chunk may repeat from the end of the one before it; default 0, at most half of `maxTokens`. */
  readonly overlapTokens?: number;
  /**
   * Where to cut, best first; default heading, paragraph, line, sentence, clause. Words, then punctuation,
   * then the inside of words always follow, each only where nothing better fits.
   */
  readonly separators?: readonly Separator[];
  /**
   * Also cut at borders that the text itself singles out, the best within twice `maxTokens`, so that an edit moves
   * no border beyond the next of them. Costs some 4% more chunks. Default false.
   */
  readonly anchored?: boolean;
}

/** Chunks within which an anchor is the best border. */
const anchorReach = 2;

/**
 * Cuts at the best separator that keeps chunks within `maxTokens`, and joins neighbours while they fit. Blank tokens
 * around chunks belong to none. Takes linear time, whatever the text.
 *
 * Markdown headings count, and fenced code is kept together, unless `document.metadata.format` is
 * `text`, `code`, `pdf`, `csv`, `json` or `jsonl`. Each chunk's metadata has the `line` where it starts, from 1 (of a PDF
 * the `page`), and the `headings` above it, if any.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than
 * `maxTokens` tokens follow each other without a border between characters.
 */
export function recursiveChunker(options: RecursiveChunkerOptions = {}): Chunker {
  const { separators = defaultSeparators, anchored = false } = options;
  const limits = checkedLimits({ ...options, maxTokens: options.maxTokens ?? 250 });
  const { maxTokens, overlapTokens } = limits;
  checkSeparators(separators);
  const kept = [...separators];
  return {
    name: nameOf('recursive', [
      maxTokens,
      options.minTokens !== undefined && `min ${options.minTokens}`,
      overlapTokens > 0 && `overlap ${overlapTokens}`,
      options.separators !== undefined && `at ${describeSeparators(kept)}`,
      anchored && 'anchored',
    ]),
    chunk: async (document: TokenizedDocument, chunkOptions: ChunkOptions = {}) => {
      checkTokens(document);
      return runSteps(cut(document, kept, limits, anchored), chunkOptions);
    },
  };
}

function* cut(
  document: TokenizedDocument,
  separators: readonly Separator[],
  { minTokens, maxTokens, overlapTokens }: Limits,
  anchored: boolean,
): Steps<Chunk[]> {
  const room = maxTokens - overlapTokens;
  const borders = new BorderMap(document.text, document.tokens, separators.length);
  yield* part(borders.survey(), 0, 0.3);
  yield* part(markLiterals(borders, separators), 0.3, 0.35);
  const scanner = new TextScanner(
    document.text,
    new BorderMarker(borders),
    separators,
    isMarkdown(document),
  );
  const outline = yield* part(scanner.scan(), 0.35, 0.6);
  const cutter = new SpanCutter(borders, minTokens, room, anchored ? anchorReach * room : 0);
  const spans = yield* part(cutter.cut(), 0.6, 0.8);
  addOverlap(document, spans, overlapTokens);
  return yield* part(buildChunks(document, spans, outline), 0.8, 1);
}
