/** What is measured of a chunking: by the references of questions, by a reference segmentation, by itself. */

export { chunkView, type ChunkViewColumn, viewPage } from './chunk-view.js';
export {
  type EditKind,
  type EditStability,
  editStability,
  type EditStabilityOptions,
  sentenceEdits,
  type SentenceEditOptions,
} from './edit-stability.js';
export type { Measure, Range, TextSpan } from './ranges.js';
export { precisionOmega, type RetrievalScores, retrievalScores } from './retrieval-scores.js';
export {
  type BoundaryScores,
  boundaryScores,
  pk,
  type Segmentation,
  windowDiff,
  type WindowOptions,
} from './segmentation.js';
export { type SizeDistribution, sizeDistribution } from './size-distribution.js';
export { tokenMeasure } from './token-measure.js';
export { withinBudget } from './within-budget.js';
