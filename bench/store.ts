import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bench, emptyOutcome, isWanted } from './harness.js';
import { bandwidth } from './store/bandwidth.js';
import { codecs } from './store/codecs.js';
import { eviction } from './store/eviction.js';
import { firstToken } from './store/first-token.js';
import { manyRecords } from './store/many-records.js';
import type { StoreBench } from './store/part.js';
import { processes } from './store/processes.js';
import { redis } from './store/redis.js';

const parts: Readonly<Record<string, StoreBench>> = {
  bandwidth,
  'many-records': manyRecords,
  processes,
  redis,
  eviction,
  codecs,
  'first-token': firstToken,
};

/** The store against what is under it: memory, disk, processes, Redis, and what its policies and codecs cost. */
export const store = bench(async (options) => {
  const model = options.model ?? 'smollm2-135m-instruct';
  const outcome = emptyOutcome(model);
  const directory = await mkdtemp(join(tmpdir(), 'chunkweave-bench-'));
  try {
    for (const [name, part] of Object.entries(parts)) {
      if (!isWanted(name, options, outcome)) continue;
      options.log(`${name} …`);
      await part({ directory: join(directory, name), options, model, outcome });
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return outcome;
});
