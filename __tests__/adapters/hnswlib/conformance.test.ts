import { test } from '@jest/globals';
import {
  hnswIndex,
  type HnswIndexOptions,
  restoreHnswIndex,
} from '../../../adapters/hnswlib/index.js';
import { vectorIndexConformance } from '../../../lib/testing/index.js';
import { fakeHnswlib } from '../../support/vectors/fake-hnswlib.js';
import { hnswTest, loadRealHnswlib } from '../../support/vectors/hnswlib.js';

const fake = async () => fakeHnswlib();

// Nothing is searched exactly just because it is small; the graph has to grow, and is made anew now and then.
const always = { exactUpTo: 0, capacity: 4, rebuildAbove: 0.3 };

const variants: Record<
  string,
  Omit<HnswIndexOptions, 'embedder'> & { readonly runner: typeof test; readonly minRecall: number }
> = {
  hnswlib: { load: loadRealHnswlib, ...always, runner: hnswTest, minRecall: 0.98 },
  'hnswlib, stood in for': { load: fake, ...always, runner: test, minRecall: 1 },
};

for (const [name, { runner, minRecall, ...options }] of Object.entries(variants)) {
  vectorIndexConformance(
    { test: runner },
    {
      name,
      minRecall,
      create: (setting) => hnswIndex({ ...setting, ...options }),
      restore: (bytes, setting) => restoreHnswIndex(bytes, { ...setting, ...options }),
    },
  );
}
