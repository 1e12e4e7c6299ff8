import { join } from 'node:path';
import { afterAll, describe, test } from '@jest/globals';
import { loadEngine } from '../../../adapters/ggml/engine.js';
import { engineConformance } from '../../../lib/testing/engine-conformance.js';
import { scratch, tinyFile } from '../../support/native.js';
import { floatModels } from '../../support/tiny-models.js';

describe.each(Object.entries(floatModels))('%s', (name, options) => {
  const file = tinyFile(options);
  engineConformance(
    { test, afterAll },
    {
      // A row alone is multiplied by other kernels, whose sums are of half precision in llama.cpp too.
      tolerance: { divergence: 5e-6, divergenceAlone: 5e-5 },
      createEngine: async () =>
        loadEngine({
          model: await file,
          device: 'cpu',
          // On a busy machine, threads that wait for each other take most of the time of small graphs.
          threads: name === 'llama' ? 2 : 1,
          hashCache: join(scratch, 'hashes.json'),
        }),
    },
  );
});
