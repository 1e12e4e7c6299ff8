import { afterAll, expect, jest, test } from '@jest/globals';
import {
  chmod,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderStore } from '../../../../adapters/fs/index.js';
import { InvalidArgumentError, memoryStore, tieredStore } from '../../../../lib/index.js';
import { sampleKey, sampleRecord, storeConformance } from '../../../../lib/testing/index.js';

jest.setTimeout(120_000);
const folders: string[] = [];

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-store-'));
  folders.push(folder);
  return folder;
}

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

storeConformance(
  { test },
  {
    name: 'folder',
    create: async ({ maxBytes }) => folderStore({ directory: await newFolder(), maxBytes }),
  },
);
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

const key = sampleKey(1);

async function withRecord(options: Parameters<typeof sampleRecord>[0] = {}) {
  const directory = await newFolder();
  const store = folderStore({ directory });
  await store.put(key, sampleRecord(options));
  const path = join(directory, `${key}.kv`);
  return { directory, store, path, bytes: await readFile(path) };
}

test('another store over the same folder finds the record', async () => {
  const { directory } = await withRecord();
  const other = folderStore({ directory });
  expect((await other.get(key))?.kv.tokens).toEqual(sampleRecord().kv.tokens);
});

test('only the owner can read a record, and names tell nothing', async () => {
  const { directory, path } = await withRecord();
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(directory)).toEqual([`${key}.kv`]);
});

test('blocks are aligned to 64 bytes', async () => {
  const { bytes } = await withRecord({ tokens: 7, keyWidth: 3, valueWidth: 5 });
  expect(Number(bytes.readBigUInt64LE(24)) % 64).toBe(0);
  expect(bytes.length % 64).toBe(0);
});

test('every single flipped bit is found', async () => {
  // Blocks of 54 bytes, so that padding is among the bits.
  const { path, bytes, store } = await withRecord({
    tokens: 1,
    layers: 2,
    keyWidth: 14,
    valueWidth: 13,
  });
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    await writeFile(path, damaged);
    if ((await store.get(key)) !== undefined) throw new Error(`bit ${bit} went unnoticed`);
  }
  const stats = await store.stats();
  expect(stats).toMatchObject({ corrupt: bytes.length * 8, records: 0, hits: 0 });
  expect(stats.misses).toBe(bytes.length * 8);
});

test('a file cut short at any length, or one that is longer, is found', async () => {
  const { path, bytes, store } = await withRecord({ tokens: 2, layers: 2 });
  for (let length = 0; length < bytes.length; length++) {
    await writeFile(path, bytes.subarray(0, length));
    if ((await store.get(key)) !== undefined) throw new Error(`length ${length} went unnoticed`);
  }
  await writeFile(path, Buffer.concat([bytes, Buffer.alloc(64)]));
  expect(await store.get(key)).toBeUndefined();
  expect((await store.stats()).corrupt).toBe(bytes.length + 1);
});

test('a damaged record is removed and can be put again', async () => {
  const { path, bytes, store, directory } = await withRecord();
  bytes[bytes.length - 70]! ^= 4;
  await writeFile(path, bytes);
  expect(await store.get(key)).toBeUndefined();
  expect(await readdir(directory)).toEqual([]);
  expect(await store.put(key, sampleRecord())).toBe(true);
  expect(await store.get(key)).toBeDefined();
});

test('a record under the name of another is found out', async () => {
  const { directory, bytes, store } = await withRecord();
  await writeFile(join(directory, `${sampleKey(2)}.kv`), bytes);
  expect(await store.get(sampleKey(2))).toBeUndefined();
  expect((await store.stats()).corrupt).toBe(1);
});

test('lengths that a record claims are not believed', async () => {
  const { path, bytes, store } = await withRecord();
  for (const [at, value] of [
    [8, 0xffff_fff0],
    [12, 0xffff_fff0],
    [12, 0],
  ] as const) {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt32LE(value, at);
    await writeFile(path, damaged);
    expect(await store.get(key)).toBeUndefined();
  }
  const damaged = Buffer.from(bytes);
  damaged.writeBigUInt64LE(2n ** 63n, 16);
  await writeFile(path, damaged);
  expect(await store.get(key)).toBeUndefined();
});

test('a link out of the folder is not followed', async () => {
  const { path, directory } = await withRecord();
  const elsewhere = await newFolder();
  await symlink(path, join(elsewhere, `${key}.kv`));
  const store = folderStore({ directory: elsewhere });
  expect(await store.get(key)).toBeUndefined();
  expect(await readdir(directory)).toEqual([`${key}.kv`]);
});

test('a folder that cannot be made or written keeps nothing, without an error', async () => {
  const { path } = await withRecord();
  const store = folderStore({ directory: join(path, 'below-a-file') });
  expect(await store.put(key, sampleRecord())).toBe(false);
  expect(await store.get(key)).toBeUndefined();
  expect(await store.has(key)).toBe(false);
  expect(await store.stats()).toMatchObject({ records: 0, bytes: 0 });
});

test('a folder without permission is a miss, and the record stays', async () => {
  const { directory, store, path } = await withRecord();
  await chmod(path, 0o000);
  await chmod(directory, 0o500);
  // Root may read and write everything.
  if (process.getuid?.() !== 0) {
    expect(await store.get(key)).toBeUndefined();
    expect(await store.put(sampleKey(2), sampleRecord())).toBe(false);
  }
  await chmod(directory, 0o700);
  await chmod(path, 0o600);
  expect(await store.get(key)).toBeDefined();
});

test('a folder removed while open is a miss, then made again', async () => {
  const { directory, store } = await withRecord();
  await rm(directory, { recursive: true });
  expect(await store.get(key)).toBeUndefined();
  expect(await store.put(key, sampleRecord())).toBe(true);
  expect(await store.get(key)).toBeDefined();
});

test('files of others are left alone, those of dead writers are cleared away', async () => {
  const { directory, store } = await withRecord();
  const abandoned = join(directory, '.tmp-00000000-0000-4000-8000-000000000000');
  const recent = join(directory, '.tmp-00000000-0000-4000-8000-000000000001');
  await writeFile(join(directory, 'README'), 'mine');
  await writeFile(abandoned, 'half');
  await writeFile(recent, 'half');
  await utimes(abandoned, new Date(0), new Date(0));
  expect(await store.stats()).toMatchObject({ records: 1 });
  await store.clear();
  const left = await readdir(directory);
  expect(left.sort()).toEqual(['.tmp-00000000-0000-4000-8000-000000000001', 'README']);
});

test('the bound holds over what other processes wrote', async () => {
  const { directory, bytes } = await withRecord();
  const maxBytes = 4 * bytes.length;
  const stores = [1, 2].map(() => folderStore({ directory, maxBytes }));
  for (let i = 10; i < 40; i++) {
    await stores[i % 2]!.put(sampleKey(i), sampleRecord({ seed: i }));
  }
  const { bytes: kept } = await stores[0]!.stats();
  // Each may overshoot by what the other wrote since it last looked.
  expect(kept).toBeLessThanOrEqual(maxBytes + 2 * bytes.length);
});

test('options are checked', () => {
  expect(() => folderStore({ directory: '' })).toThrow(InvalidArgumentError);
  expect(() => folderStore({ directory: 'x', maxBytes: 0 })).toThrow(InvalidArgumentError);
});
