import type { SegmenterWeights } from './weights.js';

export const minilmWeights: SegmenterWeights = {
  version: 1,
  embedder: '',
  dimensions: 384,
  hidden: 0,
  values: '',
  scales: [],
  bias: [],
  output: [],
  outputBias: 0,
};
