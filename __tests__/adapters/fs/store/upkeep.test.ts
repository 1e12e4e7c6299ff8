import { expect, test } from '@jest/globals';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderStore } from '../../../../adapters/fs/index.js';
import {
  fileOf,
  filesIn,
  homeOf,
  isSame,
  keysOf,
  newFolder,
} from '../../../support/store/folders.js';
import { finiteRecord, flipped, hashedKey } from '../../../support/store/records.js';
import { sampleRecord } from '../../../../lib/testing/index.js';

const signingKey = 'a secret of enough bytes';
const temporary = (number: number) => `.tmp-00000000-0000-4000-8000-00000000000${number}`;

test('what dead writers left is cleared away, what is being written is not', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  await store.put(hashedKey(1), sampleRecord());
  const folder = join(await fileOf(options, hashedKey(1)), '..');
  const ages = [11 * 60, 5 * 60, -11 * 60];
  for (const [number, seconds] of ages.entries()) {
    const path = join(folder, temporary(number));
    await writeFile(path, 'half');
    const time = new Date(Date.now() - 1000 * seconds);
    await utimes(path, time, time);
  }
  expect(await store.compact()).toMatchObject({ temporaries: 2, bytes: 8 });
  expect((await readdir(folder)).sort()).toEqual([temporary(1), `${hashedKey(1)}.kv`]);
});

test('opening a folder clears away what dead writers left, without being asked', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  await store.put(hashedKey(1), sampleRecord());
  const path = join(await fileOf(options, hashedKey(1)), '..', temporary(1));
  await writeFile(path, 'half');
  await utimes(path, new Date(0), new Date(0));
  await using other = folderStore(options);
  await other.put(hashedKey(2), sampleRecord());
  expect((await filesIn(options.directory)).some((name) => name.includes('.tmp-'))).toBe(false);
});

test('empty folders go, and come again', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  for (let number = 0; number < 5; number++) await store.put(hashedKey(number), sampleRecord());
  const lease = await store.lease(hashedKey(1), { ttlMs: 1000 });
  await lease!.release();
  expect(await store.compact()).toMatchObject({ folders: 1, bytes: 0 });
  await store.clear();
  expect(await store.compact()).toMatchObject({ folders: 6 });
  expect(await readdir(options.directory)).toEqual([]);
  expect(await store.put(hashedKey(1), sampleRecord())).toBe(true);
});

test('puts go on while empty folders are removed all the time', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  await using other = folderStore(options);
  const stop = new AbortController();
  const compacting = (async () => {
    while (!stop.signal.aborted) await other.compact();
  })();
  for (let number = 0; number < 150; number++) {
    const key = hashedKey(number);
    expect(await store.put(key, sampleRecord({ seed: number }))).toBe(true);
    expect(isSame(await store.get(key), sampleRecord({ seed: number }))).toBe(true);
    expect(await store.delete(key)).toBe(true);
  }
  stop.abort();
  await compacting;
});

test('damaged records are kept for a week', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  await store.put(hashedKey(1), sampleRecord());
  await writeFile(await fileOf(options, hashedKey(1)), 'damaged');
  await store.get(hashedKey(1));
  expect(await store.compact()).toMatchObject({ quarantined: 0 });
  // The time when it was put aside cannot be set, so more of them are.
  const quarantine = join(await homeOf(options), 'quarantine');
  for (let number = 0; number < 70; number++) {
    const id = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
    await writeFile(join(quarantine, `${hashedKey(2)}.${id}`), 'damaged');
  }
  expect(await store.compact()).toMatchObject({ quarantined: 7, bytes: 7 * 7 });
  expect(await readdir(quarantine)).toHaveLength(64);
});

test('records are exported, and imported where they belong', async () => {
  const [from, to] = [await newFolder(), await newFolder()];
  const folder = join(await newFolder(), 'new', 'export');
  await using store = folderStore({ directory: from, signingKey });
  for (let number = 0; number < 6; number++) {
    await store.put(hashedKey(number), finiteRecord({ seed: number, tokens: 90, layers: 9 }));
  }
  const damaged = await fileOf({ directory: from }, hashedKey(3));
  await writeFile(damaged, flipped(await readFile(damaged), 9000));
  let progress = 0;
  const out = await store.exportTo(folder, { onProgress: () => progress++ });
  expect(out).toMatchObject({ records: 5, problems: [{ key: hashedKey(3) }] });
  expect(progress).toBe(6);
  const names = await filesIn(folder);
  expect(names).toEqual([0, 1, 2, 4, 5].map((number) => `${hashedKey(number)}.kv`).sort());

  await using other = folderStore({ directory: to, signingKey, tenant: 'somebody' });
  const back = await other.importFrom(folder);
  expect(back).toMatchObject({ records: 5, bytes: out.bytes, problems: [] });
  for (const number of [0, 1, 2, 4, 5]) {
    const expected = finiteRecord({ seed: number, tokens: 90, layers: 9 });
    expect(isSame(await other.get(hashedKey(number)), expected)).toBe(true);
  }
});

test('nothing in a folder is imported that is damaged, unsigned, infinite, another’s or too much', async () => {
  const folder = await newFolder();
  await using source = folderStore({ directory: await newFolder(), signingKey });
  await using bare = folderStore({ directory: await newFolder() });
  const infinite = finiteRecord();
  infinite.kv.data.set([0, 0x7c]);
  await source.put(hashedKey(1), finiteRecord());
  await source.put(hashedKey(2), infinite);
  await bare.put(hashedKey(3), finiteRecord());
  await source.exportTo(folder);
  await bare.exportTo(folder);
  const good = await readFile(join(folder, `${hashedKey(1)}.kv`));
  await writeFile(join(folder, `${hashedKey(4)}.kv`), good);
  await writeFile(join(folder, `${hashedKey(5)}.kv`), flipped(good, 5000));
  await writeFile(join(folder, 'notes.txt'), 'mine');
  await mkdir(join(folder, `${hashedKey(6)}.kv`));
  await using store = folderStore({ directory: await newFolder(), signingKey });
  const report = await store.importFrom(folder);
  expect(report.records).toBe(1);
  expect(report.problems.map(({ key }) => key).sort()).toEqual(
    [2, 3, 4, 5, 6].map(hashedKey).sort(),
  );
  expect(await keysOf(store)).toEqual([hashedKey(1)]);
  await using small = folderStore({ directory: await newFolder(), signingKey, maxBytes: 100 });
  expect(await small.importFrom(folder)).toMatchObject({ records: 0 });
});

test('a folder that cannot be read or written is told of', async () => {
  const directory = await newFolder();
  await using store = folderStore({ directory });
  await store.put(hashedKey(1), finiteRecord());
  await writeFile(join(directory, 'a file'), 'mine');
  const nowhere = join(directory, 'a file', 'below');
  await expect(store.importFrom(nowhere)).rejects.toMatchObject({ code: 'STORE' });
  await expect(store.exportTo(nowhere)).rejects.toMatchObject({ code: 'STORE' });
});

test('after close, nothing more is done', async () => {
  const store = folderStore({ directory: await newFolder() });
  await store.close();
  const calls = [
    () => store.verify(),
    () => store.compact(),
    () => store.exportTo('x'),
    () => store.importFrom('x'),
    () => store.lease(hashedKey(1), { ttlMs: 1 }),
  ];
  for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'DISPOSED' });
});
