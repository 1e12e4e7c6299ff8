/** Written by `node scripts/train-corag-agent.mjs`; do not edit. */
import type { CoragAgentWeights } from './agent.js';

export const agentWeights: CoragAgentWeights = {
  version: 1,
  features: ['fit', 'candidates', 'meanScore', 'scoreDeviation', 'scoreOfLastFit', 'costDeviation', 'costWithScore', 'questionTerms', 'linkingTerms'],
  means: [0, 0, 0, 0, 0, 0, 0, 0, 0],
  deviations: [1, 1, 1, 1, 1, 1, 1, 1, 1],
  arms: [{ settings: {}, weights: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }],
};
