/** Written by `node scripts/train-corag-agent.mjs`; do not edit. */
import type { CoragAgentWeights } from './learned-weights.js';

export const agentWeights: CoragAgentWeights = {
  version: 1,
  features: [
    'fit',
    'candidates',
    'meanScore',
    'scoreDeviation',
    'scoreOfLastFit',
    'costDeviation',
    'costWithScore',
    'questionTerms',
    'linkingTerms',
  ],
  means: [2.0282, 3.434, 0.4953, 0.25658, 0.72665, 0.30622, -0.024098, 1.0986, 0],
  deviations: [0.14788, 8.8818e-16, 0.06362, 0.024255, 0.09139, 0.030882, 0.18672, 1.3323e-15, 1],
  arms: [
    {
      settings: {
        exploration: 0.3,
        branch: 4,
        depth: 3,
        interplay: 0.25,
      },
      weights: [
        0.10869, -0.0080255, 1.5967e-17, 0.012139, -0.0035969, 0.0062949, -0.0068465, 0.018135,
        -1.5967e-17, 0,
      ],
    },
    {
      settings: {
        exploration: 0.1,
        branch: 4,
        depth: 3,
        interplay: 0.25,
      },
      weights: [
        0.10357, -0.014909, -3.7727e-17, 0.0092296, -0.00093853, 0.005063, -0.0051913, 0.022782,
        3.7727e-17, 0,
      ],
    },
    {
      settings: {
        exploration: 1,
        branch: 4,
        depth: 3,
        interplay: 0.25,
      },
      weights: [
        0.11291, -0.0021497, 3.6388e-17, 0.010316, -0.0057969, 0.0038548, -0.012158, 0.016264,
        -3.6388e-17, 0,
      ],
    },
    {
      settings: {
        exploration: 0.3,
        branch: 2,
        depth: 3,
        interplay: 0.25,
      },
      weights: [
        0.10902, -0.0086941, -9.2053e-18, 0.015561, -0.0096771, -0.0044664, -0.0046585, 0.014663,
        9.2053e-18, 0,
      ],
    },
    {
      settings: {
        exploration: 0.3,
        branch: 8,
        depth: 3,
        interplay: 0.25,
      },
      weights: [
        0.10794, -0.01253, -4.6758e-17, 0.013751, -0.0012839, 0.014743, 0.0013216, 0.0060048,
        4.6758e-17, 0,
      ],
    },
    {
      settings: {
        exploration: 0.3,
        branch: 4,
        depth: 1,
        interplay: 0.25,
      },
      weights: [
        0.1015, -0.013268, -7.9154e-17, 0.011005, -0.011344, -0.0036834, 0.0016749, 0.0077856,
        7.9154e-17, 0,
      ],
    },
    {
      settings: {
        exploration: 0.3,
        branch: 4,
        depth: 3,
        interplay: 0.1,
      },
      weights: [
        0.098912, -0.021374, -9.3193e-17, 0.0031947, 0.0035893, 0.0084294, 0.01245, 0.0038642,
        9.3193e-17, 0,
      ],
    },
    {
      settings: {
        exploration: 0.3,
        branch: 4,
        depth: 3,
        interplay: 0.5,
      },
      weights: [
        0.11079, -0.01441, -7.0116e-17, 0.0047744, 0.0036717, 0.0067429, 0.00442, 0.0056102,
        7.0116e-17, 0,
      ],
    },
  ],
};
