import { expect, jest, test } from '@jest/globals';
import { folderStore } from '../../../../adapters/fs/index.js';
import { sampleRecord } from '../../../../lib/testing/index.js';
import { filesIn, newFolder, tick } from '../../../support/store/folders.js';
import { startProcess } from '../../../support/store/process.js';
import { hashedKey } from '../../../support/store/records.js';

const soak = process.env.CHUNKWEAVE_SOAK !== undefined;
jest.setTimeout(soak ? 600_000 : 60_000);
const milliseconds = soak ? 60_000 : 2500;

const shape = { tokens: 30, layers: 5, keyWidth: 32, valueWidth: 32 };

test('four processes that share a folder lose nothing and see nothing half written', async () => {
  const directory = await newFolder();
  const job = { task: 'share', store: { directory }, shape, records: 40, milliseconds };
  const processes = [1, 2, 3, 4].map((seed) => startProcess({ ...job, seed }));
  await Promise.all(processes.map(({ ready }) => ready));
  // Meanwhile somebody tidies up and looks through everything.
  await using store = folderStore({ directory });
  const stop = new AbortController();
  const upkeep = (async () => {
    while (!stop.signal.aborted) {
      await store.compact();
      expect((await store.verify()).bad).toEqual([]);
      await tick(20);
    }
  })();
  const results = await Promise.all(processes.map((process) => process.done));
  stop.abort();
  await upkeep;
  for (const [result] of results) {
    expect(result).toMatchObject({ lost: 0, torn: 0, corrupt: 0, refused: 0 });
    expect(result!.puts).toBeGreaterThan(20);
    expect(result!.gets).toBeGreaterThan(50);
  }
  expect(await filesIn(directory)).toHaveLength((await store.stats()).records);
});

test('four processes that share a bound keep it, and what they evict is whole until then', async () => {
  const directory = await newFolder();
  const bytes = 21_000;
  const maxBytes = 15 * bytes;
  const job = { task: 'share', store: { directory, maxBytes }, shape, records: 60, milliseconds };
  const processes = [1, 2, 3, 4].map((seed) => startProcess({ ...job, seed }));
  await using store = folderStore({ directory });
  const sizes: number[] = [];
  const stop = new AbortController();
  const watch = (async () => {
    while (!stop.signal.aborted) {
      sizes.push((await store.stats()).bytes);
      await tick(100);
    }
  })();
  const results = await Promise.all(processes.map((process) => process.done));
  stop.abort();
  await watch;
  for (const [result] of results) expect(result).toMatchObject({ torn: 0, corrupt: 0 });
  const overshoot = Math.max(...sizes) / maxBytes;
  // Each sees within a second what the others wrote.
  expect(overshoot).toBeLessThan(4);
  await tick(1100);
  await using last = folderStore({ directory, maxBytes });
  await last.put(hashedKey(1000), sampleRecord({ seed: 1, ...shape }));
  expect((await last.stats()).bytes).toBeLessThanOrEqual(maxBytes);
});
