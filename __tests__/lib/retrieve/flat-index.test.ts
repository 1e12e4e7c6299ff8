import { test } from '@jest/globals';
import { flatIndex, restoreFlatIndex } from '../../../lib/index.js';
import { vectorIndexConformance } from '../../../lib/testing/index.js';

vectorIndexConformance(
  { test },
  {
    name: 'flat',
    create: flatIndex,
    restore: (bytes, setting) => restoreFlatIndex(bytes, setting),
  },
);
