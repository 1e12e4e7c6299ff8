import type { Chunk, TokenizedDocument } from '../../document.js';
import { part, type Steps } from '../../pace.js';
import { buildChunks } from '../build-chunks.js';
import type { Units } from '../units.js';
import { fitRanges, spansOfRanges, type UnitRange } from './unit-ranges.js';

/** Chunks of the runs of units that a model found, those over the limit cut where a sentence ends. */
export function* chunksOfRanges(
  document: TokenizedDocument,
  units: Units,
  ranges: readonly UnitRange[],
  maxTokens: number,
): Steps<Chunk[]> {
  const fitting = yield* part(fitRanges(document, units, ranges, maxTokens), 0, 0.2);
  const spans = spansOfRanges(document, units, fitting);
  return yield* part(buildChunks(document, spans, units.outline), 0.2, 1);
}
