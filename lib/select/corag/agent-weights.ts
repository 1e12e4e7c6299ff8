/** Written by `node scripts/train-corag-agent.mjs`; do not edit. */
import type { CoragAgentWeights } from './agent.js';

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
  means: [2.0376, 3.434, 0.4964, 0.25654, 0.72954, 0.30629, -0.020022, 1.0986, 0],
  deviations: [0.14602, 3.1086e-15, 0.061934, 0.026379, 0.092308, 0.033765, 0.16958, 8.8818e-16, 1],
  arms: [
    {
      settings: {
        exploration: 0.3,
        branch: 4,
        depth: 3,
        interplay: 0.25,
      },
      weights: [
        0.10679, 0.0042817, -1.9183e-17, 0.031431, -0.005997, -0.0084412, 0.0032629, 0.0027939,
        -1.9183e-17, 0,
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
        0.091816, 0.0028964, -1.8278e-17, 0.018485, -0.0092822, -0.014507, 0.0018542, 0.0098316,
        -1.8278e-17, 0,
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
        0.10623, 0.0043074, -2.3452e-17, 0.032237, -0.009265, -0.01391, 0.00063164, -0.0012566,
        -2.3452e-17, 0,
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
        0.090903, -0.0027833, -4.9681e-18, 0.026812, -0.018339, 0.0078198, -0.0044089, -0.00004269,
        -4.9681e-18, 0,
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
        0.098796, 0.0001037, -8.2789e-18, 0.024687, -0.012251, -0.004773, -0.0019683, 0.004013,
        -8.2789e-18, 0,
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
        0.082601, -0.0030444, 2.8209e-18, 0.018252, -0.0020472, -0.0094965, 0.0022471, 0.0096136,
        2.8209e-18, 0,
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
        0.092638, -0.011817, 3.1517e-17, 0.025003, -0.0091651, 0.00066346, 0.017161, -0.0052643,
        3.1517e-17, 0,
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
        0.085613, 0.0012873, -9.0182e-19, 0.019634, -0.0023669, 0.0053476, 0.0064352, 0.0070342,
        -9.0182e-19, 0,
      ],
    },
  ],
};
