import { expect, test } from '@jest/globals';
import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type FolderStore, folderStore } from '../../../../adapters/fs/index.js';
import { sampleRecord } from '../../../../lib/testing/index.js';
import {
  fileOf,
  filesIn,
  homeOf,
  isSame,
  keysOf,
  newFolder,
} from '../../../support/store/folders.js';
import { probeTimes } from '../../../support/store/probes.js';
import { hashedKey } from '../../../support/store/records.js';

const key = hashedKey(1);

test('tenants and labels share a folder and nothing else', async () => {
  const directory = await newFolder();
  const holders = [
    {},
    { tenant: 'a' },
    { tenant: 'b' },
    { tenant: 'a', label: 'secret' },
    { label: 'secret' },
    { tenant: 'A' },
  ];
  const stores = holders.map((holder) => folderStore({ directory, ...holder }));
  for (const [seed, store] of stores.entries()) {
    expect(await store.has(key)).toBe(false);
    await store.put(key, sampleRecord({ seed }));
    await store.put(hashedKey(100 + seed), sampleRecord({ seed }));
  }
  for (const [seed, store] of stores.entries()) {
    expect(isSame(await store.get(key), sampleRecord({ seed }))).toBe(true);
    expect(await keysOf(store)).toEqual([key, hashedKey(100 + seed)].sort());
    expect(await store.stats()).toMatchObject({ records: 2 });
  }
  const [first, ...others] = stores as [FolderStore, ...FolderStore[]];
  const lease = await first.lease(key, { ttlMs: 10_000 });
  expect(lease).toBeDefined();
  expect(await first.lease(key, { ttlMs: 10_000 })).toBeUndefined();
  await first.clear();
  for (const store of others) {
    expect(await store.lease(key, { ttlMs: 10_000 })).toBeDefined();
    expect(await store.stats()).toMatchObject({ records: 2 });
    await store.close();
  }
});

/** Names the one that a tenant is: nobody's folder may be told from another's but by who asks. */
test('a bound is a tenant’s own', async () => {
  const directory = await newFolder();
  await using probe = folderStore({ directory: await newFolder() });
  await probe.put(key, sampleRecord());
  const maxBytes = 2 * (await probe.stats()).bytes;
  await using mine = folderStore({ directory, tenant: 'a', maxBytes });
  await using theirs = folderStore({ directory, tenant: 'b', maxBytes });
  await mine.put(key, sampleRecord());
  for (let number = 2; number < 10; number++) await theirs.put(hashedKey(number), sampleRecord());
  expect(await mine.has(key)).toBe(true);
  expect(await theirs.stats()).toMatchObject({ records: 2, evictions: 6 });
});

test('a probe for what another tenant has takes as long as one for what nobody has', async () => {
  const directory = await newFolder();
  await using theirs = folderStore({ directory, tenant: 'theirs' });
  await using mine = folderStore({ directory, tenant: 'mine' });
  const { own, least, seen } = await probeTimes(mine, theirs);
  // It would be seen: what is there does take longer to read.
  expect(own.get).toBeGreaterThan(10);
  expect(own.info).toBeGreaterThan(4);
  // Looking for what is there takes as long as for what is not, so a delay stands in for a difference.
  for (const share of Object.values(least)) expect(share).toBeLessThan(0.5);
  expect(seen).toEqual([]);
});

test('a link in the place of a record is not followed, and is put aside', async () => {
  const [inside, outside] = [{ directory: await newFolder() }, { directory: await newFolder() }];
  await using there = folderStore(outside);
  await there.put(key, sampleRecord());
  await using store = folderStore(inside);
  await store.put(hashedKey(2), sampleRecord());
  const path = await fileOf(inside, key);
  await mkdir(join(path, '..'), { recursive: true });
  await symlink(await fileOf(outside, key), path);
  expect(await store.has(key)).toBe(false);
  expect(await store.get(key)).toBeUndefined();
  expect((await store.stats()).missesBy).toEqual({ corrupt: 1 });
  expect(await store.put(key, sampleRecord({ seed: 2 }))).toBe(true);
  expect(isSame(await store.get(key), sampleRecord({ seed: 2 }))).toBe(true);
  await store.clear();
  expect(isSame(await there.get(key), sampleRecord())).toBe(true);
});

test('a put replaces a link, and leaves alone what it points to', async () => {
  const options = { directory: await newFolder() };
  const target = join(await newFolder(), 'precious');
  await writeFile(target, 'mine');
  await using store = folderStore(options);
  const path = await fileOf(options, key);
  await mkdir(join(path, '..'), { recursive: true });
  await symlink(target, path);
  expect(await store.put(key, sampleRecord())).toBe(true);
  expect(isSame(await store.get(key), sampleRecord())).toBe(true);
  expect(await filesIn(join(target, '..'))).toEqual(['precious']);
});

test.each(['the folder of a key', 'the folder of a tenant'])(
  '%s that is a link is neither read nor written through',
  async (which) => {
    const options = { directory: await newFolder() };
    await using store = folderStore(options);
    await store.put(key, sampleRecord());
    const home = await homeOf(options);
    const folder = which === 'the folder of a key' ? join(home, key.slice(0, 2)) : home;
    const elsewhere = join(await newFolder(), 'elsewhere');
    await rename(folder, elsewhere);
    await symlink(elsewhere, folder);
    const before = await filesIn(elsewhere);

    await using anew = folderStore(options);
    for (const one of [store, anew]) {
      expect(await one.get(key)).toBeUndefined();
      expect(await one.has(key)).toBe(false);
      expect(await one.info(key)).toBeUndefined();
      expect(await keysOf(one)).toEqual([]);
      expect(await one.put(key, sampleRecord({ seed: 2 }))).toBe(false);
      expect(await one.delete(key)).toBe(false);
      expect((await one.stats()).missesBy).toMatchObject({ failed: 1 });
    }
    await anew.clear();
    await anew.compact();
    expect(await filesIn(elsewhere)).toEqual(before);
  },
);

test('links in the place of other folders lead nowhere', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  await store.put(key, sampleRecord());
  const home = await homeOf(options);
  const elsewhere = await newFolder();
  await writeFile(join(elsewhere, key), 'mine');
  for (const name of ['leases', 'quarantine']) await symlink(elsewhere, join(home, name));
  await writeFile(await fileOf(options, key), 'damaged');
  expect(await store.get(key)).toBeUndefined();
  const lease = await store.lease(key, { ttlMs: 1000 });
  await lease?.release();
  await store.compact();
  await store.clear();
  expect(await readdir(elsewhere)).toEqual([key]);
});

test('a folder or a pipe in the place of a record holds nobody up', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  const paths = [await fileOf(options, hashedKey(1)), await fileOf(options, hashedKey(2))] as const;
  for (const path of paths) await mkdir(join(path, '..'), { recursive: true });
  await mkdir(join(paths[0], 'inner'), { recursive: true });
  if (process.platform !== 'win32') await promisify(execFile)('mkfifo', [paths[1]]);
  for (const number of [1, 2]) {
    expect(await store.has(hashedKey(number))).toBe(false);
    expect(await store.get(hashedKey(number))).toBeUndefined();
    expect(await store.put(hashedKey(number), sampleRecord())).toBe(true);
    expect(await store.get(hashedKey(number))).toBeDefined();
  }
  await rm(options.directory, { recursive: true });
});

test('a link in the place of a lease is not followed', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  const leases = join(await homeOf(options), 'leases');
  const target = join(await newFolder(), 'precious');
  await writeFile(target, '');
  await mkdir(leases, { recursive: true });
  await symlink(target, join(leases, key));
  const lease = await store.lease(key, { ttlMs: 1 });
  await lease?.release();
  await store.compact();
  expect(await filesIn(join(target, '..'))).toEqual(['precious']);
});
