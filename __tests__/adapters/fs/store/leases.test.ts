import { expect, jest, test } from '@jest/globals';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderStore } from '../../../../adapters/fs/index.js';
import { homeOf, newFolder, tick } from '../../../support/store/folders.js';
import { startProcess } from '../../../support/store/process.js';
import { hashedKey } from '../../../support/store/records.js';

const key = hashedKey(1);
const options = { ttlMs: 60_000 };

async function twoStores() {
  const directory = await newFolder();
  const folder = join(await homeOf({ directory }), 'leases');
  return { directory, folder, a: folderStore({ directory }), b: folderStore({ directory }) };
}

test('one at a time has the lease of a key, whoever asks', async () => {
  const { a, b, folder } = await twoStores();
  const asked = [a, b, a, b].map((store) => store.lease(key, options));
  const given = (await Promise.all(asked)).filter((lease) => lease !== undefined);
  expect(given).toHaveLength(1);
  expect(await b.lease(hashedKey(2), options)).toBeDefined();
  await given[0]!.release();
  await given[0]!.release();
  {
    await using lease = await b.lease(key, options);
    expect(lease).toBeDefined();
    expect(await a.lease(key, options)).toBeUndefined();
  }
  expect(await a.lease(key, options)).toBeDefined();
  expect(await readdir(folder)).toHaveLength(2);
  await a.close();
  await b.close();
  expect(await readdir(folder)).toEqual([]);
});

test('a lease ends with its time, and its holder takes nothing from the next', async () => {
  const { a, b } = await twoStores();
  const first = await a.lease(key, { ttlMs: 40 });
  expect(await b.lease(key, options)).toBeUndefined();
  await tick(60);
  const second = await b.lease(key, options);
  expect(second).toBeDefined();
  await first!.release();
  expect(await a.lease(key, options)).toBeUndefined();
  await second!.release();
  expect(await a.lease(key, options)).toBeDefined();
});

test('of many who find a lease expired, one gets it', async () => {
  const { a, b, directory } = await twoStores();
  const stores = [a, b, folderStore({ directory }), folderStore({ directory })];
  for (let round = 0; round < 20; round++) {
    const one = hashedKey(10 + round);
    await a.lease(one, { ttlMs: 1 });
    await tick(5);
    const given = await Promise.all(stores.map((store) => store.lease(one, options)));
    expect(given.filter((lease) => lease !== undefined)).toHaveLength(1);
  }
});

test('a process that dies loses its lease after its time', async () => {
  const { directory, a } = await twoStores();
  const process = startProcess({ task: 'lease', store: { directory }, ttlMs: 700 });
  while (process.told().length === 0) await tick();
  expect(process.told()).toEqual([{ leased: true }]);
  await process.kill();
  expect(await a.lease(key, options)).toBeUndefined();
  await tick(750);
  expect(await a.lease(key, options)).toBeDefined();
});

test('a clock that was set back does not keep a lease beyond twice its time', async () => {
  const { a, b, folder } = await twoStores();
  await a.lease(key, { ttlMs: 10_000 });
  for (const [ahead, free] of [
    [5_000, false],
    [3_600_000, true],
  ] as const) {
    const time = new Date(Date.now() + ahead);
    await utimes(join(folder, key), time, time);
    expect((await b.lease(key, options)) !== undefined).toBe(free);
  }
});

test('a clock that was set forward ends a lease early, no more', async () => {
  const { a, b } = await twoStores();
  await a.lease(key, options);
  const now = Date.now();
  const clock = jest.spyOn(Date, 'now').mockReturnValue(now + 120_000);
  try {
    expect(await b.lease(key, options)).toBeDefined();
  } finally {
    clock.mockRestore();
  }
});

test('what stands in a lease’s file is not believed', async () => {
  const { a, folder } = await twoStores();
  await mkdir(folder, { recursive: true });
  const path = join(folder, key);
  const past = new Date(Date.now() - 25 * 3_600_000);
  const token = '00000000-0000-4000-8000-000000000000';
  for (const content of [
    '',
    'x'.repeat(1e6),
    `${token} 99999999`,
    `${token} -1`,
    `${token} 1e99`,
  ]) {
    await writeFile(path, content);
    expect(await a.lease(key, options)).toBeUndefined();
    await utimes(path, past, past);
    const lease = await a.lease(key, options);
    expect(lease).toBeDefined();
    await lease!.release();
  }
});

test('leases whose time is over are cleared away', async () => {
  const { a, b, folder } = await twoStores();
  for (const number of [1, 2, 3]) await a.lease(hashedKey(number), { ttlMs: 20 });
  await a.lease(hashedKey(4), options);
  await tick(40);
  expect(await b.compact()).toMatchObject({ leases: 3 });
  expect(await readdir(folder)).toEqual([hashedKey(4)]);
});

test.each([0, -1, Number.NaN, Infinity, 86_400_001])('a time of %p is refused', async (ttlMs) => {
  const { a } = await twoStores();
  await expect(a.lease(key, { ttlMs })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('a key that is none is refused', async () => {
  const { a } = await twoStores();
  for (const wrong of ['../../x', `${key}\0`, 'f'.repeat(1e7)]) {
    await expect(a.lease(wrong, options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
});
