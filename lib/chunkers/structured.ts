import type { Chunk, TokenizedDocument } from '../document.js';
import { part, type Steps } from '../pace.js';
import { BorderMap, BorderMarker } from './border-map.js';
import { buildChunks } from './build-chunks.js';
import type { Limits } from './limits.js';
import type { Outline } from './outline.js';
import { addOverlap } from './overlap.js';
import { AT_SIGN } from './places.js';
import { SpanCutter } from './span-cutter.js';
import { TextScanner } from './text-scanner.js';

/** Where the parts of a document begin, found by a parser of its format. */
export interface Structure {
  /** Place and strength in turn, places ascending; strengths from 0, the best, to below `levels`. */
  readonly marks: readonly number[];
  readonly levels: number;
  readonly outline: Outline;
}

/**
 * Cuts at the strongest parts that fit, as `recursiveChunker` does; inside of parts at lines, sentences, clauses and words.
 */
export function* cutStructured(
  document: TokenizedDocument,
  { marks, levels, outline }: Structure,
  { minTokens, maxTokens, overlapTokens }: Limits,
  isMarkdown: boolean,
): Steps<Chunk[]> {
  const { text, tokens } = document;
  const separators = ['line', 'sentence', 'clause'] as const;
  const borders = new BorderMap(text, tokens, levels + separators.length);
  yield* part(borders.survey(), 0, 0.3);
  const marker = new BorderMarker(borders, AT_SIGN);
  for (let i = 0; i < marks.length; i += 2) {
    marker.mark(marks[i] as number, marks[i + 1] as number);
    if ((i & 0xfff) === 0) yield 0.3;
  }
  const inner = new BorderMarker(borders);
  const shifted = {
    mark: (index: number, strength: number) => inner.mark(index, levels + strength),
  };
  yield* part(new TextScanner(text, shifted, separators, isMarkdown).scan(), 0.3, 0.6);
  const spans = yield* part(
    new SpanCutter(borders, minTokens, maxTokens - overlapTokens).cut(),
    0.6,
    0.8,
  );
  addOverlap(document, spans, overlapTokens);
  return yield* part(buildChunks(document, spans, outline), 0.8, 1);
}
