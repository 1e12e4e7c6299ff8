import { afterAll, describe, test } from '@jest/globals';
import { engineConformance, FakeEngine } from '../../../lib/testing/index.js';

// The fake loses nothing but what half precision of keys and values costs.
const tolerance = {
  logits: 1e-3,
  divergence: 1e-6,
  divergenceAlone: 1e-6,
  vectors: 1e-3,
  attention: 1e-5,
};

const shapes = {
  plain: {},
  'a sliding window': { layers: 4, slidingWindow: { size: 24, layers: [0, 2] }, seed: 5 },
  'several key heads': { heads: 4, kvHeads: 2, headDim: 4, layers: 5, seed: 9 },
  'one layer, without a template': { layers: 1, chatTemplate: null, addBos: false },
} as const;

describe.each(Object.entries(shapes))('fake engine: %s', (_, options) => {
  engineConformance(
    { test, afterAll },
    { createEngine: async () => new FakeEngine(options), tolerance },
  );
});
