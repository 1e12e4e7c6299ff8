import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderStore } from '../../../adapters/fs/index.js';
import {
  type ChunkStore,
  memoryStore,
  type StoreListener,
  type StoreStats,
  type TieredStore,
  tieredStore,
} from '../../../lib/index.js';
import { sampleKey } from '../../../lib/testing/index.js';
import { newFolder } from './folders.js';
import { finiteRecord } from './records.js';

export interface Eventful {
  readonly memory: ChunkStore;
  readonly folder: ChunkStore;
  readonly tiered: TieredStore;
}

/**
 * A tiered store over memory, a folder and a tier that fails, through all that stores tell of: hits, misses, puts that
 * are kept and refused, evictions, a damaged record, a circuit that opens.
 */
export async function eventfulStores(onEvent: StoreListener): Promise<Eventful> {
  const directory = await newFolder();
  const memory = memoryStore({ maxBytes: 2500, name: 'memory', onEvent });
  const folder = folderStore({ directory, name: 'folder', onEvent, maxBytes: 100_000 });
  const broken: ChunkStore = {
    ...memoryStore(),
    get: () => Promise.reject(new Error('no answer')),
    put: () => Promise.reject(new Error('no answer')),
    stats: () => Promise.reject(new Error('no answer')),
    close: async () => {},
  };
  const tiered = tieredStore(
    [
      memory,
      { store: folder, name: 'folder' },
      { store: broken, name: 'broken', circuit: { failures: 2 } },
    ],
    { name: 'all', onEvent },
  );
  for (let i = 0; i < 12; i++) await tiered.put(sampleKey(i), finiteRecord({ seed: i, tokens: 6 }));
  await tiered.put(sampleKey(50), finiteRecord({ tokens: 5000 }));
  for (let i = 0; i < 15; i++) await tiered.get(sampleKey(i));
  await tiered.flush();
  for (const key of [11, 10, 11, 11]) await tiered.get(sampleKey(key));
  // A damaged record of the folder.
  for (const name of await readdir(directory, { recursive: true })) {
    if (!name.endsWith(`${sampleKey(3)}.kv`)) continue;
    const path = join(directory, name);
    const bytes = await readFile(path);
    bytes[bytes.length - 10]! ^= 1;
    await writeFile(path, bytes);
  }
  await folder.get(sampleKey(3));
  await tiered.flush();
  return { memory, folder, tiered };
}

/** Evictions that a store tells of itself: one of tiers adds up what its tiers tell. */
export function ownEvictions({ tiers, evictionsBy }: StoreStats): StoreStats['evictionsBy'] {
  return tiers ? {} : evictionsBy;
}
