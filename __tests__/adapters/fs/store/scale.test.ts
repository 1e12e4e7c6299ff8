import { expect, jest, test } from '@jest/globals';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { folderStore } from '../../../../adapters/fs/index.js';
import { sampleRecord } from '../../../../lib/testing/index.js';
import { fileOf, homeOf, newFolder } from '../../../support/store/folders.js';
import { startProcess } from '../../../support/store/process.js';
import { hashedKey, largeRecord } from '../../../support/store/records.js';

const soak = process.env.CHUNKWEAVE_SOAK !== undefined;
jest.setTimeout(soak ? 1_200_000 : 60_000);

test('ten thousand records are opened in half a second, and take below 1 KB of memory each', async () => {
  const directory = await newFolder();
  await using store = folderStore({ directory });
  await store.put(hashedKey(0), sampleRecord());
  const original = await fileOf({ directory }, hashedKey(0));
  const home = await homeOf({ directory });
  for (let shard = 0; shard < 256; shard++) {
    await mkdir(join(home, shard.toString(16).padStart(2, '0')), { recursive: true });
  }
  // Opening looks at no content, so all may have the same.
  const copies = Array.from({ length: 9_999 }, (_, i) => hashedKey(i + 1));
  for (let at = 0; at < copies.length; at += 100) {
    const some = copies.slice(at, at + 100);
    await Promise.all(
      some.map((key) => copyFile(original, join(home, key.slice(0, 2), `${key}.kv`))),
    );
  }
  const opened = await startProcess({ task: 'open', store: { directory } }, ['--expose-gc']).done;
  expect(opened).toMatchObject([{ records: 10_000 }]);
  const { openMs, bytesPerRecord } = opened[0] as { openMs: number; bytesPerRecord: number };
  // A busy machine may take longer than the half second that a quiet one has to spare.
  expect(openMs).toBeLessThan(1500);
  expect(bytesPerRecord).toBeLessThan(1000);
});

test('memory stays flat over many gets', async () => {
  const directory = await newFolder();
  await using store = folderStore({ directory });
  const shape = { tokens: 128, layers: 8, keyWidth: 128, valueWidth: 128 };
  for (let number = 0; number < 20; number++) {
    await store.put(hashedKey(number), largeRecord({ seed: number, ...shape }));
  }
  const gets = soak ? 100_000 : 2000;
  const job = { task: 'read', store: { directory }, records: 20, gets, lanes: soak ? 100 : 20 };
  const [told] = await startProcess(job, ['--expose-gc']).done;
  const { before, after, hits, misses } = told as Record<string, number>;
  expect({ hits: hits! >= gets, misses }).toEqual({ hits: true, misses: 0 });
  expect(after! - before!).toBeLessThan(64e6);
});
