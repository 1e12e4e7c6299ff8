import type { Chunk, TokenizedDocument } from '../document.js';
import { part, runSteps, type Steps } from '../pace.js';
import { buildChunks } from './build-chunks.js';
import type { Chunker } from './chunker.js';
import { checkTokens, checkedLimits, nameOf, type Limits } from './limits.js';
import { addOverlap } from './overlap.js';
import { spansOfUnits } from './pack.js';
import { unitsOf, type Units } from './units.js';

export interface SentenceChunkerOptions {
  /** Most tokens of a chunk, at least 4; default 200. */
  readonly maxTokens?: number;
  /** Tokens that a chunk may repeat from the end of the one before it; default 0, at most half of `maxTokens`. */
  readonly overlapTokens?: number;
}

/**
 * Packs whole sentences into chunks, as many as fit, across paragraphs. Sentences are told by signs that end them
 * in most scripts, by abbreviations that do not, and by the ends of lines; one that does not fit is cut at a clause or
 * between words.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than `maxTokens` tokens
 * follow each other without a border between characters
 */
export function sentenceChunker(options: SentenceChunkerOptions = {}): Chunker {
  const limits = checkedLimits({ ...options, maxTokens: options.maxTokens ?? 200 });
  const { maxTokens, overlapTokens } = limits;
  return {
    name: nameOf('sentence', [maxTokens, overlapTokens > 0 && `overlap ${overlapTokens}`]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return runSteps(cut(document, limits), chunkOptions);
    },
  };
}

function* cut(document: TokenizedDocument, limits: Limits): Steps<Chunk[]> {
  const room = limits.maxTokens - limits.overlapTokens;
  const units = yield* part(unitsOf(document, room), 0, 0.6);
  const spans = spansOfUnits(document, units, packed(units, room));
  addOverlap(document, spans, limits.overlapTokens);
  return yield* part(buildChunks(document, spans, units.outline), 0.6, 1);
}

/** Units that begin a chunk when each is filled with as many as fit. */
function packed({ size, starts }: Units, maxTokens: number): number[] {
  const borders: number[] = [];
  let first = -Infinity;
  for (let unit = 0; unit < size; unit++) {
    const end = starts[unit + 1] as number;
    if (end - first <= maxTokens) continue;
    first = starts[unit] as number;
    borders.push(unit);
  }
  return borders;
}
