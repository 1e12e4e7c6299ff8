import type { Chunk, TokenizedDocument } from '../document.js';
import { part, runSteps, type Steps } from '../pace.js';
import { buildChunks } from './build-chunks.js';
import type { Chunker } from './chunker.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import { mergeUnits } from './merge-units.js';
import { spansOfUnits } from './pack.js';
import { unitsOf } from './units.js';

export interface ContentDefinedChunkerOptions {
  /** Most tokens of a chunk, at least 4; default 300. The mean is about two thirds of it. */
  readonly maxTokens?: number;
}

/**
 * Cuts so that an edit changes the chunks around it and no others: what is cached of the others stays good. Sentences
 * are joined to paragraphs, and paragraphs to sections, as long as they fit; in which order, a hash of their text
 * decides and not their place, so no border depends on text far away.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than `maxTokens` tokens
 * follow each other without a border between characters
 */
export function contentDefinedChunker(options: ContentDefinedChunkerOptions = {}): Chunker {
  const { maxTokens } = checkedLimits({ ...options, maxTokens: options.maxTokens ?? 300 });
  return {
    name: nameOf('content-defined', [maxTokens]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return runSteps(cut(document, maxTokens), chunkOptions);
    },
  };
}

function* cut(document: TokenizedDocument, maxTokens: number): Steps<Chunk[]> {
  const units = yield* part(unitsOf(document, maxTokens), 0, 0.6);
  const borders = yield* part(mergeUnits(document, units, maxTokens), 0.6, 0.7);
  const spans = spansOfUnits(document, units, borders);
  return yield* part(buildChunks(document, spans, units.outline), 0.7, 1);
}
