/** What is measured of a chunking: by the references of questions, by a reference segmentation, by itself. */

export {
  type BoundaryClarity,
  boundaryClarity,
  type BoundaryClarityOptions,
} from './boundary-clarity.js';
export type { ChunkLossOptions } from './chunk-losses.js';
export {
  type ChunkScore,
  chunkScore,
  type ChunkScoreOptions,
  semanticDispersion,
} from './chunk-score.js';
export {
  type ChunkStickiness,
  chunkStickiness,
  type ChunkStickinessOptions,
} from './chunk-stickiness.js';
export { chunkView, type ChunkViewColumn } from './chunk-view.js';
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
export { signalView, type TextSignal } from './signal-view.js';
export { type SizeDistribution, sizeDistribution } from './size-distribution.js';
export { tokenMeasure } from './token-measure.js';
export { withinBudget } from './within-budget.js';
