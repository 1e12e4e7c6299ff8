import { test } from '@jest/globals';
import { folderStore, type FolderStoreOptions } from '../../../../adapters/fs/index.js';
import { memoryStore, tieredStore } from '../../../../lib/index.js';
import { storeConformance } from '../../../../lib/testing/index.js';
import { newFolder } from '../../../support/store/folders.js';

const variants: Record<string, Partial<FolderStoreOptions>> = {
  folder: {},
  'folder, signed': { signingKey: 'a secret of enough bytes' },
  'folder, synced': { fsync: 'always' },
  'folder of a tenant, with a time to live': {
    tenant: 'somebody',
    label: 'secret',
    ttlMs: 1e15,
    minFreeBytes: 0,
  },
};

for (const [name, options] of Object.entries(variants)) {
  storeConformance(
    { test },
    {
      name,
      create: async ({ maxBytes }) =>
        folderStore({ directory: await newFolder(), maxBytes, ...options }),
    },
  );
}

storeConformance(
  { test },
  {
    name: 'memory over folder',
    create: async ({ maxBytes }) =>
      tieredStore([
        memoryStore({ maxBytes }),
        folderStore({ directory: await newFolder(), maxBytes }),
      ]),
    evictsLeastRecentlyUsed: false,
  },
);
