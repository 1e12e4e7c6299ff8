import { expect, test } from '@jest/globals';
import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderStore } from '../../../../adapters/fs/index.js';
import { sampleRecord } from '../../../../lib/testing/index.js';
import type { StoreEvent } from '../../../../lib/index.js';
import { recordFormatVersion } from '../../../../lib/store/chunk-key.js';
import {
  fileOf,
  filesIn,
  homeOf,
  isSame,
  keysOf,
  newFolder,
} from '../../../support/store/folders.js';
import { bytesOf, flipped, hashedKey, largeRecord } from '../../../support/store/records.js';

const key = hashedKey(1);
const small = sampleRecord({ tokens: 1, layers: 1, keyWidth: 4, valueWidth: 3 });

async function withRecord(options: Parameters<typeof sampleRecord>[0] = {}) {
  const events: StoreEvent[] = [];
  const where = { directory: await newFolder() };
  const store = folderStore({ ...where, onEvent: (event) => events.push(event) });
  await store.put(key, sampleRecord(options));
  const path = await fileOf(where, key);
  return { where, store, path, events, bytes: await readFile(path), home: await homeOf(where) };
}

test('every single flipped bit of a file is a miss, counted and put aside', async () => {
  const { store, path, where } = await withRecord();
  const bytes = await bytesOf(key, small);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    await writeFile(path, flipped(bytes, bit));
    if ((await store.get(key)) !== undefined) throw new Error(`bit ${bit} went unnoticed`);
  }
  const { missesBy, corrupt, hits, records } = await store.stats();
  // All but those of the version, which may be that of a newer program.
  expect(missesBy).toEqual({ corrupt: 8 * bytes.length - 32, format: 32 });
  expect({ corrupt, hits, records }).toEqual({
    corrupt: 8 * bytes.length - 32,
    hits: 0,
    records: 0,
  });
  // The last few are kept.
  expect((await filesIn(where.directory)).length).toBeLessThanOrEqual(65);
  await writeFile(path, bytes);
  expect(isSame(await store.get(key), small)).toBe(true);
});

test('a file cut short at any length, or one that is longer, is a miss', async () => {
  const { store, path } = await withRecord();
  const bytes = await bytesOf(key, small);
  for (let length = 0; length < bytes.length; length++) {
    await writeFile(path, bytes.subarray(0, length));
    if ((await store.get(key)) !== undefined) throw new Error(`length ${length} went unnoticed`);
  }
  await writeFile(path, Buffer.concat([bytes, Buffer.alloc(64)]));
  expect(await store.get(key)).toBeUndefined();
  expect((await store.stats()).missesBy).toEqual({ corrupt: bytes.length + 1 });
});

test('a damaged record is told of once, kept aside, and can be put again', async () => {
  const { store, path, bytes, events, home } = await withRecord();
  bytes[bytes.length - 70]! ^= 4;
  await writeFile(path, bytes);
  events.length = 0;
  const gets = await Promise.all(Array.from({ length: 10 }, () => store.get(key)));
  expect(gets.every((record) => record === undefined)).toBe(true);
  const told = events.filter(({ type }) => type === 'corrupt');
  expect(told).toMatchObject([{ key, problem: expect.stringMatching(/layer block/) }]);
  expect(await store.stats()).toMatchObject({ corrupt: 1, records: 0, misses: 10 });
  const kept = await filesIn(join(home, 'quarantine'));
  expect(kept).toHaveLength(1);
  expect(Buffer.compare(await readFile(join(home, 'quarantine', kept[0]!)), bytes)).toBe(0);
  expect(await store.put(key, sampleRecord())).toBe(true);
  expect(isSame(await store.get(key), sampleRecord())).toBe(true);
});

test('a good record that takes the place of a damaged one is not put aside for it', async () => {
  const { store, path } = await withRecord();
  const record = largeRecord({ seed: 2, tokens: 300, layers: 40, keyWidth: 64 });
  await store.put(key, record);
  const good = await readFile(path);
  const bad = flipped(good, 8 * good.length - 600);
  for (let round = 0; round < 20; round++) {
    await writeFile(path, bad);
    const [, kept] = await Promise.all([store.get(key), store.put(key, record)]);
    expect(kept).toBe(true);
    expect(await store.has(key)).toBe(true);
  }
});

test('what is put aside has its bounds', async () => {
  const directory = await newFolder();
  const record = largeRecord({ tokens: 200, keyWidth: 64, valueWidth: 64 });
  await using store = folderStore({ directory, maxBytes: 5_000_000 });
  for (let number = 0; number < 20; number++) {
    await store.put(hashedKey(number), record);
    const path = await fileOf({ directory }, hashedKey(number));
    const bytes = await readFile(path);
    await writeFile(path, flipped(bytes, 8 * bytes.length - 600));
    expect(await store.get(hashedKey(number))).toBeUndefined();
  }
  const files = await filesIn(directory);
  const sizes = await Promise.all(
    files.map(async (path) => (await stat(join(directory, path))).size),
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  // A sixteenth of the bound: two of these.
  expect(files).toHaveLength(2);
  expect(bytes).toBeLessThanOrEqual(5_000_000 / 16);
});

test('a record of another version is left to who can read it', async () => {
  const { store, path, bytes, events } = await withRecord();
  for (const version of [recordFormatVersion - 1, recordFormatVersion + 1]) {
    bytes.writeUInt32LE(version, 4);
    await writeFile(path, bytes);
    expect(await store.get(key)).toBeUndefined();
    expect(await store.info(key)).toBeUndefined();
  }
  expect(await store.stats()).toMatchObject({ missesBy: { format: 2 }, corrupt: 0, records: 1 });
  expect(events.some(({ type }) => type === 'corrupt')).toBe(false);
  expect(Buffer.compare(await readFile(path), bytes)).toBe(0);
  expect(await store.put(key, sampleRecord())).toBe(true);
  expect(await store.get(key)).toBeDefined();
});

test('records of earlier versions are cleared away when that is asked for', async () => {
  const { store, path, bytes } = await withRecord();
  bytes.writeUInt32LE(recordFormatVersion - 1, 4);
  await writeFile(path, bytes);
  expect(await store.get(key)).toBeUndefined();
  expect(await store.compact()).toMatchObject({ outdated: 1, bytes: bytes.length });
  expect(await store.stats()).toMatchObject({ records: 0, bytes: 0, missesBy: { format: 1 } });
});

test('records as version 1 kept them are not seen, and cleared away when that is asked for', async () => {
  const { store, where, bytes } = await withRecord();
  bytes.writeUInt32LE(1, 4);
  const old = join(where.directory, `${hashedKey(5)}.kv`);
  const newer = join(where.directory, `${hashedKey(6)}.kv`);
  const foreign = join(where.directory, `${hashedKey(7)}.kv`);
  await writeFile(old, bytes);
  bytes.writeUInt32LE(recordFormatVersion, 4);
  await writeFile(newer, bytes);
  await writeFile(foreign, 'something else');
  expect(await keysOf(store)).toEqual([key]);
  expect(await store.get(hashedKey(5))).toBeUndefined();
  expect(await store.compact()).toMatchObject({ outdated: 1, bytes: bytes.length });
  const left = await filesIn(where.directory);
  expect(left).toEqual(expect.arrayContaining([`${hashedKey(6)}.kv`, `${hashedKey(7)}.kv`]));
  expect(left).not.toContain(`${hashedKey(5)}.kv`);
});

test('a record under the name of another is found out', async () => {
  const { where, bytes, store } = await withRecord();
  const path = await fileOf(where, hashedKey(2));
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, bytes);
  expect(await store.get(hashedKey(2))).toBeUndefined();
  expect((await store.stats()).missesBy).toEqual({ corrupt: 1 });
});

test('a count of uses that was half written does no harm to the record', async () => {
  const { store, path, bytes } = await withRecord();
  await store.get(key);
  await store.info(key);
  bytes.writeUInt32LE(0, 44);
  await writeFile(path, bytes);
  // Both halves of the word are held against each other, so this is damage.
  expect(await store.get(key)).toBeUndefined();
  expect(await store.stats()).toMatchObject({ corrupt: 1, hits: 1 });
});

test('verify finds every damaged record, and tells how far it is', async () => {
  const where = { directory: await newFolder() };
  const events: StoreEvent[] = [];
  await using store = folderStore({ ...where, onEvent: (event) => events.push(event) });
  for (let number = 0; number < 12; number++) {
    await store.put(hashedKey(number), sampleRecord({ seed: number, tokens: 40, layers: 5 }));
  }
  for (const number of [3, 7]) {
    const path = await fileOf(where, hashedKey(number));
    await writeFile(path, flipped(await readFile(path), 9000 + number));
  }
  const versioned = await fileOf(where, hashedKey(9));
  const bytes = await readFile(versioned);
  bytes.writeUInt32LE(9, 4);
  await writeFile(versioned, bytes);
  const shares: number[] = [];
  const report = await store.verify({
    onProgress: ({ records, totalRecords }) => shares.push(records / totalRecords),
  });
  expect(report).toMatchObject({ records: 9, failed: [] });
  expect(report.bad.map((one) => one.key).sort()).toEqual([3, 7].map(hashedKey).sort());
  expect(report.bad[0]!.problem).not.toBe('');
  expect(report.unknown).toMatchObject([{ key: hashedKey(9) }]);
  expect(shares).toHaveLength(12);
  expect(shares.at(-1)).toBe(1);
  expect(events.filter(({ type }) => type === 'corrupt')).toHaveLength(2);
  expect(await store.verify()).toMatchObject({ records: 9, bad: [] });
});

test('verify stops when it is told to', async () => {
  await using store = folderStore({ directory: await newFolder() });
  for (let number = 0; number < 5; number++) await store.put(hashedKey(number), small);
  const controller = new AbortController();
  let looked = 0;
  const verifying = store.verify({
    signal: controller.signal,
    onProgress: () => {
      if (++looked === 2) controller.abort(new Error('enough'));
    },
  });
  await expect(verifying).rejects.toThrow('enough');
  expect(looked).toBe(2);
});

test('a file whose time is odd is read like any other', async () => {
  const { store, path } = await withRecord();
  for (const time of [new Date(0), new Date('2100-01-01')]) {
    await utimes(path, time, time);
    expect(await store.get(key)).toBeDefined();
    expect(await store.info(key)).toBeDefined();
  }
});
