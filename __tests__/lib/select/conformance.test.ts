import { test } from '@jest/globals';
import {
  beamSelector,
  cacheAwareSelector,
  coragPublished,
  coragSelector,
  exactSelector,
  gradientSelector,
  greedySelector,
  randomSelector,
  thresholdSelector,
  topKSelector,
} from '../../../lib/index.js';
import { selectorConformance } from '../../../lib/testing/index.js';

const selectors = {
  'top 3': () => topKSelector({ k: 3 }),
  top: () => topKSelector(),
  threshold: () => thresholdSelector({ threshold: 0.4 }),
  'cache-aware': () => cacheAwareSelector(),
  gradient: () => gradientSelector({ gradient: 0.2 }),
  greedy: () => greedySelector({ evaluations: 60 }),
  'greedy by value': () => greedySelector({ by: 'value', batch: 1, evaluations: 60 }),
  beam: () => beamSelector({ evaluations: 60 }),
  random: () => randomSelector({ evaluations: 60 }),
  corag: () => coragSelector({ evaluations: 40 }),
  'corag as published': () => coragSelector({ ...coragPublished, evaluations: 60 }),
};

for (const [name, create] of Object.entries(selectors)) {
  selectorConformance({ test }, { name, create });
}
selectorConformance({ test }, { name: 'exact', create: () => exactSelector(), mostCandidates: 9 });
