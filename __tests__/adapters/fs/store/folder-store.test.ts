import { expect, test } from '@jest/globals';
import { chmod, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { folderStore, type FolderStoreOptions } from '../../../../adapters/fs/index.js';
import {
  bfpCodec,
  type ChunkKv,
  f16Codec,
  InvalidArgumentError,
  type KvCodec,
  layerBytes,
  q8Codec,
  type StoreEvent,
} from '../../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../../lib/testing/index.js';
import {
  fileOf,
  filesIn,
  homeOf,
  isSame,
  keysOf,
  newFolder,
  tick,
} from '../../../support/store/folders.js';
import { finiteRecord, hashedKey, largeRecord } from '../../../support/store/records.js';

const key = hashedKey(1);

test('another store over the same folder finds the record, and how often it was used', async () => {
  const directory = await newFolder();
  {
    await using store = folderStore({ directory });
    await store.put(key, sampleRecord());
    for (let use = 0; use < 3; use++) await store.get(key);
  }
  const other = folderStore({ directory });
  expect(await other.info(key)).toMatchObject({ hits: 3 });
  expect(isSame(await other.get(key), sampleRecord())).toBe(true);
  expect(await other.info(key)).toMatchObject({ hits: 4 });
});

test('uses at the same time are all counted', async () => {
  await using store = folderStore({ directory: await newFolder() });
  await store.put(key, sampleRecord());
  await Promise.all(Array.from({ length: 100 }, () => store.get(key)));
  expect(await store.info(key)).toMatchObject({ hits: 100 });
});

test('looking at a record is no use of it', async () => {
  await using store = folderStore({ directory: await newFolder() });
  await store.put(key, sampleRecord());
  await store.has(key);
  await store.verify();
  expect(await store.info(key)).toMatchObject({ hits: 0, lastUsed: sampleRecord().created });
  expect(await store.stats()).toMatchObject({ hits: 0, misses: 0 });
});

test('only the owner can enter the folders and read the records', async () => {
  const options = { directory: join(await newFolder(), 'new', 'folder') };
  await using store = folderStore(options);
  await store.put(key, sampleRecord());
  const path = await fileOf(options, key);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  for (const folder of [dirname(path), dirname(dirname(path)), options.directory]) {
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  }
});

test('names are hashes, in folders of their first digits', async () => {
  const directory = await newFolder();
  await using store = folderStore({ directory, tenant: 'ACME', label: '../secret' });
  const keys = Array.from({ length: 40 }, (_, number) => hashedKey(number));
  for (const one of keys) {
    const record = sampleRecord();
    await store.put(one, { ...record, source: { documentId: 'salaries.md', start: 0, end: 1 } });
  }
  const files = await filesIn(directory);
  expect(files).toHaveLength(40);
  for (const path of files) {
    expect(path).toMatch(/^[0-9a-f]{32}\/([0-9a-f]{2})\/\1[0-9a-f]{62}\.kv$/);
  }
  expect(await keysOf(store)).toEqual(keys.toSorted());
});

/** What is left of a record's data when a codec kept it. */
function afterCodec({ data, layout, tokens }: ChunkKv, codec: KvCodec): Uint8Array {
  const shape = { layout, tokens: tokens.length };
  const bytes = layerBytes(layout, tokens.length);
  const after = new Uint8Array(data.byteLength);
  for (let at = 0; at < data.byteLength; at += bytes) {
    const encoded = new Uint8Array(codec.encodedBytes(shape));
    codec.encode(data.subarray(at, at + bytes), shape, encoded);
    codec.decode(encoded, shape, after.subarray(at, at + bytes));
  }
  return after;
}

test.each([q8Codec(), bfpCodec(), bfpCodec({ bits: 4, sortKeys: false })])(
  'records are kept in the codec that was chosen, and read whatever theirs is: $name',
  async (codec) => {
    const directory = await newFolder();
    const record = finiteRecord({ tokens: 60, layers: 6, keyWidth: 64, valueWidth: 64 });
    await using encoded = folderStore({ directory, codec });
    await encoded.put(key, record);
    await using plain = folderStore({ directory, codec: f16Codec() });
    const info = (await plain.info(key))!;
    expect(info.codec).toBe(codec.name);
    expect(info.bytes).toBeLessThan(0.6 * record.kv.data.byteLength + 4096);
    const expected = afterCodec(record.kv, codec);
    expect(Buffer.compare((await plain.get(key))!.kv.data, expected)).toBe(0);
    const layers: Uint8Array[] = [];
    for await (const { data } of plain.getLayers(key, { layers: { from: 2, to: 5 } })) {
      layers.push(data);
    }
    const bytes = expected.byteLength / 6;
    expect(Buffer.concat(layers).equals(expected.subarray(2 * bytes, 5 * bytes))).toBe(true);
    await plain.put(key, record);
    expect(isSame(await encoded.get(key), record)).toBe(true);
  },
);

test('a signed store takes nothing that others wrote, and is read by those without a key', async () => {
  const directory = await newFolder();
  await using bare = folderStore({ directory });
  await using signed = folderStore({ directory, signingKey: 'a secret of enough bytes' });
  await bare.put(hashedKey(1), sampleRecord({ seed: 1 }));
  await signed.put(hashedKey(2), sampleRecord({ seed: 2 }));
  expect(await signed.get(hashedKey(1))).toBeUndefined();
  expect((await signed.stats()).missesBy).toEqual({ corrupt: 1 });
  expect(isSame(await bare.get(hashedKey(2)), sampleRecord({ seed: 2 }))).toBe(true);
  await using other = folderStore({ directory, signingKey: 'another secret of bytes' });
  expect(await other.get(hashedKey(2))).toBeUndefined();
});

test('numbers that are not finite are refused where that is asked for', async () => {
  const directory = await newFolder();
  const record = finiteRecord();
  const data = record.kv.data.slice();
  data.set([0x00, 0x7c], 10);
  await using store = folderStore({ directory, finite: true });
  await store.put(hashedKey(1), record);
  await store.put(hashedKey(2), { ...record, kv: { ...record.kv, data } });
  expect(await store.get(hashedKey(1))).toBeDefined();
  expect(await store.get(hashedKey(2))).toBeUndefined();
});

test('layers come from the file one after another', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  const record = largeRecord({ tokens: 256, layers: 40, keyWidth: 256, valueWidth: 256 });
  await store.put(key, record);
  const path = await fileOf(options, key);
  const bytes = await readFile(path);
  const read: number[] = [];
  const reading = (async () => {
    for await (const kv of store.getLayers(key)) {
      read.push(kv.layers.from);
      if (kv.layers.from !== 2) continue;
      // In the same file: what was not read yet is seen to be damaged.
      await using file = await open(path, 'r+');
      await file.write(Uint8Array.of(bytes.at(-9)! ^ 1), 0, 1, bytes.length - 9);
    }
  })();
  await expect(reading).rejects.toMatchObject({
    code: 'STORE',
    message: expect.stringMatching(/layer block 39/),
  });
  expect(read).toEqual(Array.from({ length: 39 }, (_, layer) => layer));
  expect(await store.stats()).toMatchObject({ hits: 0, missesBy: { corrupt: 1 }, corrupt: 1 });
});

test('a record whose first layer is damaged is a miss, without an error', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  await store.put(key, sampleRecord({ layers: 1 }));
  const path = await fileOf(options, key);
  const bytes = await readFile(path);
  bytes[bytes.length - 70]! ^= 1;
  await writeFile(path, bytes);
  for await (const kv of store.getLayers(key)) throw new Error(`a layer: ${kv.layers.from}`);
  expect(await store.stats()).toMatchObject({ hits: 0, missesBy: { corrupt: 1 }, corrupt: 1 });
});

test('layers that are read in part count as a use', async () => {
  const events: StoreEvent[] = [];
  const onEvent = (event: StoreEvent): unknown => events.push(event);
  await using store = folderStore({ directory: await newFolder(), onEvent, name: 'disk' });
  const record = sampleRecord({ layers: 8 });
  await store.put(key, record);
  for await (const kv of store.getLayers(key)) if (kv.layers.from === 1) break;
  expect(await store.info(key)).toMatchObject({ hits: 1 });
  expect(events).toMatchObject([
    { store: 'disk', type: 'put', key, kept: true },
    { store: 'disk', type: 'hit', key, bytes: record.kv.data.byteLength / 4, tokens: 5 },
  ]);
});

const manyLayers = (seed: number) =>
  largeRecord({ seed, tokens: 64, layers: 16, keyWidth: 64, valueWidth: 64 });

test('a reader that has a record open is not disturbed by what happens to its name', async () => {
  const options = { directory: await newFolder(), maxBytes: 600_000 };
  await using store = folderStore(options);
  const changes: Record<string, () => Promise<unknown>> = {
    deleted: () => store.delete(key),
    replaced: () => store.put(key, manyLayers(2)),
    cleared: () => store.clear(),
    async evicted() {
      await tick();
      for (let number = 10; number < 14; number++)
        await store.put(hashedKey(number), manyLayers(3));
      expect(await store.has(key)).toBe(false);
    },
    'removed with its folder': () => rm(options.directory, { recursive: true }),
  };
  for (const change of Object.values(changes)) {
    await store.put(key, manyLayers(1));
    const layers: Uint8Array[] = [];
    for await (const { data, layers: at } of store.getLayers(key)) {
      layers.push(data);
      if (at.from === 1) await change();
      if (at.from === 2) await store.compact();
    }
    expect(Buffer.concat(layers).equals(manyLayers(1).kv.data)).toBe(true);
  }
});

test('a folder removed while open is a miss, then made again', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  await store.put(key, sampleRecord());
  await rm(options.directory, { recursive: true });
  expect(await store.get(key)).toBeUndefined();
  expect(await keysOf(store)).toEqual([]);
  expect(await store.delete(key)).toBe(false);
  expect(await store.stats()).toMatchObject({ records: 0, bytes: 0, missesBy: { absent: 1 } });
  expect(await store.put(key, sampleRecord())).toBe(true);
  expect(await store.get(key)).toBeDefined();
  expect(await store.stats()).toMatchObject({ records: 1 });
});

test('a folder that cannot be made keeps nothing, without an error', async () => {
  const path = join(await newFolder(), 'a file');
  await writeFile(path, 'mine');
  await using store = folderStore({ directory: join(path, 'below') });
  expect(await store.put(key, sampleRecord())).toBe(false);
  expect(await store.get(key)).toBeUndefined();
  expect(await store.has(key)).toBe(false);
  expect(await store.info(key)).toBeUndefined();
  expect(await store.lease(key, { ttlMs: 1000 })).toBeDefined();
  expect(await store.compact()).toMatchObject({ bytes: 0 });
  expect(await store.verify()).toMatchObject({ records: 0 });
  expect(await store.stats()).toMatchObject({ records: 0, bytes: 0, refused: 1 });
});

test('files that may only be read are read', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  await store.put(key, sampleRecord());
  const path = await fileOf(options, key);
  const folders = [dirname(path), await homeOf(options), options.directory];
  await chmod(path, 0o400);
  for (const folder of folders) await chmod(folder, 0o500);
  expect(isSame(await store.get(key), sampleRecord())).toBe(true);
  // Root may write all the same.
  if (process.getuid?.() !== 0) {
    expect(await store.put(hashedKey(2), sampleRecord())).toBe(false);
    await expect(store.delete(key)).rejects.toMatchObject({ code: 'STORE' });
  }
  for (const folder of folders) await chmod(folder, 0o700);
});

test('files of others are left alone', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  await store.put(key, sampleRecord());
  const home = await homeOf(options);
  await mkdir(join(home, 'zz'));
  const foreign = [
    join(options.directory, 'README'),
    join(options.directory, `${hashedKey(3)}.kv`),
    join(home, 'README'),
    join(home, 'zz', `${hashedKey(3)}.kv`),
    join(home, key.slice(0, 2), 'README'),
    // In a folder that is not that of its digits.
    join(home, key.slice(0, 2), `${sampleKey(1)}.kv`),
  ];
  for (const path of foreign) await writeFile(path, 'mine');
  await store.verify();
  await store.compact();
  expect(await keysOf(store)).toEqual([key]);
  expect(await store.stats()).toMatchObject({ records: 1 });
  await store.clear();
  for (const path of foreign) expect(await readFile(path, 'utf8')).toBe('mine');
});

test('deleting a record deletes what is kept of it in quarantine', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  const variant = `${key}.${'a'.repeat(32)}`;
  for (const one of [key, variant, hashedKey(2)]) {
    await store.put(one, sampleRecord());
    await writeFile(await fileOf(options, one), 'damaged');
    await store.get(one);
  }
  expect(await filesIn(options.directory)).toHaveLength(3);
  await store.delete(key);
  const left = await filesIn(options.directory);
  expect(left).toHaveLength(2);
  expect(left.some((path) => path.includes(`${variant}.`))).toBe(true);
  await store.clear();
  expect(await filesIn(options.directory)).toEqual([]);
});

const odd: Record<string, Partial<Record<keyof FolderStoreOptions, unknown>>> = {
  'an empty directory': { directory: '' },
  'no directory': { directory: undefined },
  'a directory with NUL': { directory: 'a\0b' },
  'a bound of 0': { maxBytes: 0 },
  'a bound that is none': { maxBytes: Number.NaN },
  'a floor below 0': { minFreeBytes: -1 },
  'a time to live of 0': { ttlMs: 0 },
  'another fsync': { fsync: 'sometimes' },
  'a short key': { signingKey: 'short' },
  'a tenant that is none': { tenant: 7 },
  'a label that is none': { label: null },
};

test.each(Object.entries(odd))('%s is refused', (_, options) => {
  const open = () => folderStore({ directory: 'x', ...options } as FolderStoreOptions);
  expect(open).toThrow(InvalidArgumentError);
});

test('an abort in the middle of a put leaves nothing behind', async () => {
  const options = { directory: await newFolder() };
  await using store = folderStore(options);
  const record = largeRecord({ tokens: 2048, layers: 24, keyWidth: 128, valueWidth: 128 });
  const controller = new AbortController();
  const putting = store.put(key, record, { signal: controller.signal });
  await tick(5);
  controller.abort(new Error('enough'));
  await expect(putting).rejects.toThrow('enough');
  expect(await filesIn(options.directory)).toEqual([]);
  expect(await store.put(key, record)).toBe(true);
});
