import { afterEach, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import {
  breakCall,
  repair,
  setFreeBytes,
  startJournal,
} from '../../../support/store/faulty-files.js';
import { filesIn, homeOf, isSame, keysOf, newFolder } from '../../../support/store/folders.js';
import { hashedKey, largeRecord } from '../../../support/store/records.js';
import { startProcess } from '../../../support/store/process.js';

// After the stand-in for the file system.
const { folderStore } = await import('../../../../adapters/fs/index.js');

afterEach(repair);

const key = hashedKey(1);
const large = largeRecord({ tokens: 300, layers: 30, keyWidth: 64, valueWidth: 64 });

async function withRecord(options: object = {}) {
  const where = { directory: await newFolder(), ...options };
  const store = folderStore(where);
  expect(await store.put(key, large)).toBe(true);
  return { store, where };
}

test.each(['EIO', 'EACCES', 'EMFILE', 'ESTALE'])(
  'a record that cannot be read (%s) is a miss, and is there again later',
  async (code) => {
    for (const call of ['open', 'read'] as const) {
      const { store } = await withRecord();
      breakCall({ call, code, path: /\.kv$/ });
      expect(await store.get(key)).toBeUndefined();
      for await (const kv of store.getLayers(key)) throw new Error(`a layer: ${kv.layers.from}`);
      expect(await store.info(key)).toBeUndefined();
      expect(await store.verify()).toMatchObject({ records: 0, bad: [], failed: [{ key }] });
      expect(await store.stats()).toMatchObject({
        missesBy: { failed: 2 },
        corrupt: 0,
        records: 1,
      });
      repair();
      expect(isSame(await store.get(key), large)).toBe(true);
      await store.close();
    }
  },
);

test('a disk that fails in the middle of a record is a miss, or the end of its layers', async () => {
  const { store } = await withRecord();
  breakCall({ call: 'read', code: 'EIO', path: /\.kv$/, after: 3 });
  expect(await store.get(key)).toBeUndefined();
  repair();
  breakCall({ call: 'read', code: 'EIO', path: /\.kv$/, after: 3 });
  let layers = 0;
  const reading = (async () => {
    for await (const kv of store.getLayers(key)) layers += kv.layers.to - kv.layers.from;
  })();
  await expect(reading).rejects.toMatchObject({
    code: 'STORE',
    message: expect.stringMatching(/EIO/),
  });
  expect(layers).toBeGreaterThan(0);
  repair();
  expect(await store.stats()).toMatchObject({ missesBy: { failed: 2 }, corrupt: 0 });
  expect(isSame(await store.get(key), large)).toBe(true);
  await store.close();
});

const writes = [
  { call: 'write', code: 'ENOSPC', path: /tmp-/ },
  { call: 'write', code: 'ENOSPC', path: /tmp-/, after: 2 },
  { call: 'write', code: 'EDQUOT', path: /tmp-/, after: 1 },
  { call: 'write', code: 'EIO', path: /tmp-/ },
  { call: 'open', code: 'ENOSPC', path: /tmp-/ },
  { call: 'open', code: 'EROFS', path: /tmp-/ },
  { call: 'open', code: 'EACCES', path: /tmp-/ },
  { call: 'mkdir', code: 'EROFS' },
  { call: 'mkdir', code: 'ENOSPC' },
  { call: 'close', code: 'EIO', path: /tmp-/ },
  { call: 'rename', code: 'ENOSPC' },
  { call: 'rename', code: 'EPERM' },
  { call: 'lstat', code: 'EIO' },
] as const;

test.each(writes)(
  'a put that fails ($call: $code) is refused, and nothing is left',
  async (fault) => {
    const directory = await newFolder();
    const store = folderStore({ directory, maxBytes: 10 * large.kv.data.byteLength });
    breakCall(fault);
    expect(await store.put(key, large)).toBe(false);
    expect(await store.put(hashedKey(2), large)).toBe(false);
    repair();
    expect(await store.stats()).toMatchObject({ records: 0, bytes: 0, refused: 2 });
    expect(await filesIn(directory)).toEqual([]);
    // What was set apart for them is free again.
    for (let number = 0; number < 9; number++) {
      expect(await store.put(hashedKey(number), large)).toBe(true);
    }
    expect(await store.stats()).toMatchObject({ records: 9, evictions: 0 });
    await store.close();
  },
);

test('a record that is replaced while the disk is full stays as it was', async () => {
  const { store } = await withRecord();
  breakCall({ call: 'write', code: 'ENOSPC', path: /tmp-/, after: 1 });
  expect(await store.put(key, { ...large, computeMs: 1 })).toBe(false);
  repair();
  expect(isSame(await store.get(key), large)).toBe(true);
  await store.close();
});

test('a disk that may only be read serves its records', async () => {
  const { store, where } = await withRecord();
  for (const call of ['write', 'rename', 'unlink', 'mkdir'] as const) {
    breakCall({ call, code: 'EROFS' });
  }
  breakCall({ call: 'open', code: 'EROFS', path: /tmp-|leases/ });
  expect(isSame(await store.get(key), large)).toBe(true);
  expect(await store.info(key)).toMatchObject({ hits: 0 });
  expect(await store.put(hashedKey(2), large)).toBe(false);
  await expect(store.delete(key)).rejects.toMatchObject({ code: 'STORE' });
  // Nobody can agree on anything there: everyone may compute.
  await using lease = await store.lease(key, { ttlMs: 1000 });
  expect(lease).toBeDefined();
  expect(await store.compact()).toMatchObject({ temporaries: 0 });
  repair();
  expect(await filesIn(where.directory)).toHaveLength(1);
  await store.close();
});

test('a damaged record that cannot be put aside is told of once, and not read again', async () => {
  const events: string[] = [];
  const where = { directory: await newFolder() };
  const store = folderStore({ ...where, onEvent: ({ type }) => events.push(type) });
  await store.put(key, large);
  await store.close();
  const { writeFile } = await import('node:fs');
  const path = join(await homeOf(where), key.slice(0, 2), `${key}.kv`);
  await new Promise<void>((resolve) => writeFile(path, 'damaged'.repeat(50), () => resolve()));
  const again = folderStore({ ...where, onEvent: ({ type }) => events.push(type) });
  breakCall({ call: 'rename', code: 'EROFS' });
  events.length = 0;
  const journal = startJournal();
  for (let i = 0; i < 5; i++) expect(await again.get(key)).toBeUndefined();
  expect(events.filter((type) => type === 'corrupt')).toHaveLength(1);
  expect(journal.filter((call) => call.startsWith('read '))).toHaveLength(1);
  expect(await again.stats()).toMatchObject({ corrupt: 1, missesBy: { corrupt: 5 } });
  await again.close();
});

test('records that cannot be removed stay counted, and puts beyond the bound are refused', async () => {
  const { store } = await withRecord({ maxBytes: 1.5 * large.kv.data.byteLength });
  breakCall({ call: 'unlink', code: 'EACCES', path: /\.kv$/ });
  expect(await store.put(hashedKey(2), large)).toBe(false);
  await expect(store.clear()).rejects.toMatchObject({ code: 'STORE' });
  repair();
  expect(await store.put(hashedKey(2), large)).toBe(true);
  expect(await keysOf(store)).toEqual([hashedKey(2)]);
  await store.close();
});

test('folders that cannot be listed are no empty ones', async () => {
  const { store } = await withRecord();
  await store.stats();
  breakCall({ call: 'readdir', code: 'EIO' });
  expect(await store.stats()).toMatchObject({ records: 1 });
  repair();
  breakCall({ call: 'readdir', code: 'EIO', path: /\/[0-9a-f]{2}$/ });
  expect(await store.stats()).toMatchObject({ records: 1 });
  await store.close();
});

test('nothing is put where the disk would have less left than the floor', async () => {
  const { store } = await withRecord({ minFreeBytes: 1e6 });
  const bytes = (await store.stats()).bytes;
  setFreeBytes(1e6 + bytes - 1);
  expect(await store.put(hashedKey(2), large)).toBe(false);
  setFreeBytes(1e6 + bytes);
  expect(await store.put(hashedKey(2), large)).toBe(true);
  // What is being written counts.
  const puts = [3, 4, 5].map((number) => store.put(hashedKey(number), large));
  expect((await Promise.all(puts)).filter(Boolean)).toHaveLength(1);
  // A disk that cannot tell is taken at its word.
  breakCall({ call: 'statfs', code: 'ENOSYS' });
  expect(await store.put(hashedKey(6), large)).toBe(true);
  await store.close();
});

test('with fsync, a put is through once its file, its name and all new folders are on the disk', async () => {
  const directory = join(await newFolder(), 'new');
  const where = { directory };
  const home = await homeOf(where);
  const shard = join(home, key.slice(0, 2));
  await using store = folderStore({ ...where, fsync: 'always' });
  const journal = startJournal();
  expect(await store.put(key, large)).toBe(true);
  const at = (call: RegExp) => journal.findLastIndex((entry) => call.test(entry));
  const lastWrite = at(/^write .*\.tmp-/);
  const fileSync = at(/^sync .*\.tmp-/);
  const rename = at(/^rename /);
  const folderSync = journal.lastIndexOf(`sync ${shard}`);
  expect(lastWrite).toBeGreaterThan(0);
  expect([lastWrite, fileSync, rename, folderSync]).toEqual(
    [lastWrite, fileSync, rename, folderSync].toSorted((a, b) => a - b),
  );
  for (const folder of [home, directory, join(directory, '..')]) {
    expect(journal).toContain(`sync ${folder}`);
  }
  // Those are synced once.
  journal.length = 0;
  await store.put(key, large);
  expect(journal.filter((entry) => entry.startsWith('sync'))).toHaveLength(2);
});

test('a put that cannot be synced is not acknowledged', async () => {
  const store = folderStore({ directory: await newFolder(), fsync: 'always' });
  breakCall({ call: 'sync', code: 'EIO', path: /tmp-/ });
  expect(await store.put(key, large)).toBe(false);
  expect(await store.has(key)).toBe(false);
  repair();
  expect(await store.put(hashedKey(2), large)).toBe(true);
  breakCall({ call: 'sync', code: 'EIO', path: /\/[0-9a-f]{2}$/ });
  expect(await store.put(key, large)).toBe(false);
  repair();
  expect(await store.put(key, large)).toBe(true);
  await store.close();
});

test('without fsync, nothing is synced', async () => {
  await using store = folderStore({ directory: await newFolder() });
  const journal = startJournal();
  await store.put(key, large);
  expect(journal.filter((entry) => entry.startsWith('sync'))).toEqual([]);
});

function mounted(size: string, directory: string): (() => void) | undefined {
  try {
    const options = { stdio: 'ignore' } as const;
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory], options);
    return () => execFileSync('umount', ['-l', directory], options);
  } catch {
    // Only root may, and not everywhere.
    return undefined;
  }
}

const probe = await newFolder();
const mayMount = mounted('1m', probe);
mayMount?.();

(mayMount ? test : test.skip)(
  'a disk that is really full refuses puts, and goes on serving',
  async () => {
    const directory = await newFolder();
    const unmount = mounted('3m', directory)!;
    try {
      await using store = folderStore({ directory, minFreeBytes: 0 });
      const kept: number[] = [];
      for (let number = 0; number < 6; number++) {
        if (await store.put(hashedKey(number), large)) kept.push(number);
      }
      expect(kept).toEqual([0]);
      expect(isSame(await store.get(hashedKey(0)), large)).toBe(true);
      expect(await store.stats()).toMatchObject({ records: 1, refused: 5, corrupt: 0 });
      expect(await filesIn(directory)).toHaveLength(1);
      await store.delete(hashedKey(0));
      expect(await store.put(hashedKey(7), large)).toBe(true);
    } finally {
      unmount();
    }
  },
);

(mayMount ? test : test.skip)('a disk that is really read-only serves what it has', async () => {
  const directory = await newFolder();
  const unmount = mounted('6m', directory)!;
  try {
    await using store = folderStore({ directory, minFreeBytes: 0 });
    await store.put(key, large);
    execFileSync('mount', ['-o', 'remount,ro', directory]);
    expect(isSame(await store.get(key), large)).toBe(true);
    expect(await store.put(hashedKey(2), large)).toBe(false);
    await expect(store.delete(key)).rejects.toMatchObject({ code: 'STORE' });
    expect(await store.verify()).toMatchObject({ records: 1 });
    execFileSync('mount', ['-o', 'remount,rw', directory]);
    expect(await store.put(hashedKey(2), large)).toBe(true);
  } finally {
    unmount();
  }
});

const isRoot = process.getuid?.() === 0;

(isRoot ? test : test.skip)('somebody else finds nothing that is not theirs', async () => {
  const { where } = await withRecord();
  const visitor = startProcess({
    task: 'visit',
    store: where,
    shape: { tokens: 3 },
    user: 65_534,
  });
  expect(await visitor.done).toEqual([
    { found: false, missesBy: { failed: 1 }, refused: 0, kept: false },
  ]);
});
