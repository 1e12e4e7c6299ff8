import { expect, test } from '@jest/globals';
import { stat, utimes } from 'node:fs/promises';
import { folderStore, type FolderStoreOptions } from '../../../../adapters/fs/index.js';
import type { StoreEvent } from '../../../../lib/index.js';
import { sampleRecord } from '../../../../lib/testing/index.js';
import { fileOf, keysOf, newFolder, tick } from '../../../support/store/folders.js';
import { hashedKey } from '../../../support/store/records.js';

const record = (seed: number) => sampleRecord({ seed, tokens: 50 });

async function bytesOfOne(): Promise<number> {
  await using probe = folderStore({ directory: await newFolder() });
  await probe.put(hashedKey(0), record(0));
  return (await probe.stats()).bytes;
}

const bytes = await bytesOfOne();

test('which records were used last is known after a restart', async () => {
  const options = { directory: await newFolder(), maxBytes: 4.5 * bytes };
  {
    await using store = folderStore(options);
    for (const number of [1, 2, 3, 4]) {
      await store.put(hashedKey(number), record(number));
      await tick();
    }
    await store.get(hashedKey(1));
    for await (const kv of store.getLayers(hashedKey(2))) if (kv) break;
  }
  await tick();
  await using store = folderStore(options);
  await store.put(hashedKey(5), record(5));
  await store.put(hashedKey(6), record(6));
  expect(await keysOf(store)).toEqual([1, 2, 5, 6].map(hashedKey).sort());
  expect(await store.stats()).toMatchObject({ evictions: 2, evictionsBy: { space: 2 } });
});

test('a use by another process counts', async () => {
  const options = { directory: await newFolder(), maxBytes: 3.5 * bytes };
  await using store = folderStore(options);
  for (const number of [1, 2, 3]) {
    await store.put(hashedKey(number), record(number));
    await tick();
  }
  {
    await using other = folderStore(options);
    await other.get(hashedKey(1));
  }
  await tick();
  await store.put(hashedKey(4), record(4));
  expect(await keysOf(store)).toEqual([1, 3, 4].map(hashedKey).sort());
});

test('a store that is opened with a lower bound makes room for what comes', async () => {
  const directory = await newFolder();
  {
    await using store = folderStore({ directory });
    for (let number = 0; number < 10; number++) await store.put(hashedKey(number), record(number));
  }
  await using store = folderStore({ directory, maxBytes: 3 * bytes });
  expect(await store.put(hashedKey(20), record(20))).toBe(true);
  const stats = await store.stats();
  expect(stats).toMatchObject({ records: 3, evictions: 8 });
  expect(stats.bytes).toBeLessThanOrEqual(stats.maxBytes);
});

test('the bound holds over what several stores write at the same time', async () => {
  const directory = await newFolder();
  const maxBytes = 10 * bytes;
  const stores = [1, 2, 3].map(() => folderStore({ directory, maxBytes }));
  for (let round = 0; round < 3; round++) {
    // What the others wrote is seen once a second.
    await tick(1050);
    const puts = Array.from({ length: 30 }, (_, i) => {
      const number = 100 * round + i;
      return stores[i % 3]!.put(hashedKey(number), record(number));
    });
    await Promise.all(puts);
    const { bytes: kept } = await stores[0]!.stats();
    expect(kept).toBeLessThanOrEqual(maxBytes + 30 * bytes);
  }
  await tick(1050);
  await stores[0]!.put(hashedKey(999), record(999));
  expect((await stores[1]!.stats()).bytes).toBeLessThanOrEqual(maxBytes);
  for (const store of stores) await store.close();
});

test('many puts at once stay within the bound, and all find their place in time', async () => {
  const maxBytes = 3 * bytes;
  await using store = folderStore({ directory: await newFolder(), maxBytes });
  const puts = Array.from({ length: 40 }, (_, number) =>
    store.put(hashedKey(number), record(number)),
  );
  expect((await Promise.all(puts)).every(Boolean)).toBe(true);
  const stats = await store.stats();
  expect(stats).toMatchObject({ records: 3, evictions: 37, refused: 0 });
});

test('two puts at once of one record that fills the store are both kept', async () => {
  await using store = folderStore({ directory: await newFolder(), maxBytes: 1.2 * bytes });
  const puts = [1, 2].map((seed) => store.put(hashedKey(1), record(seed)));
  expect(await Promise.all(puts)).toEqual([true, true]);
  expect(await store.put(hashedKey(1), record(3))).toBe(true);
  expect(await store.stats()).toMatchObject({ records: 1, evictions: 0 });
});

test('a record that the count does not know of is found when room is made', async () => {
  const options = { directory: await newFolder(), maxBytes: 2.5 * bytes };
  await using store = folderStore(options);
  await store.put(hashedKey(1), record(1));
  await using other = folderStore({ directory: options.directory });
  for (const number of [2, 3, 4, 5]) await other.put(hashedKey(number), record(number));
  await tick(1050);
  await store.put(hashedKey(6), record(6));
  expect(await store.stats()).toMatchObject({ records: 2, evictions: 4 });
});

test('a clock that was set back neither stops puts nor keeps anything for ever', async () => {
  const options = { directory: await newFolder(), maxBytes: 3.5 * bytes };
  await using store = folderStore(options);
  const future = new Date(Date.now() + 3_600_000);
  for (const number of [1, 2, 3]) {
    await store.put(hashedKey(number), record(number));
    await utimes(await fileOf(options, hashedKey(number)), future, future);
  }
  for (let number = 4; number < 20; number++) {
    expect(await store.put(hashedKey(number), record(number))).toBe(true);
  }
  const stats = await store.stats();
  expect(stats.records).toBe(3);
  // A use sets the time right.
  await store.get(hashedKey(1));
  await store.info(hashedKey(1));
  const path = await fileOf(options, hashedKey(1));
  expect((await stat(path)).mtimeMs).toBeLessThan(Date.now() + 1000);
});

test('a record is evicted with its key, its bytes and the reason told', async () => {
  const events: StoreEvent[] = [];
  const options: FolderStoreOptions = {
    directory: await newFolder(),
    maxBytes: 1.5 * bytes,
    onEvent: (event) => events.push(event),
  };
  await using store = folderStore(options);
  await store.put(hashedKey(1), record(1));
  await tick();
  await store.put(hashedKey(2), record(2));
  expect(events.filter(({ type }) => type === 'evict')).toEqual([
    { store: 'folder', type: 'evict', key: hashedKey(1), bytes, reason: 'space' },
  ]);
  await store.delete(hashedKey(2), { evictedFor: 'variant' });
  expect((await store.stats()).evictionsBy).toEqual({ space: 1, variant: 1 });
});

test('a record outlives its time by no use', async () => {
  const options = { directory: await newFolder(), ttlMs: 60_000 };
  const fresh = { ...record(1), created: Date.now() };
  const old = { ...record(2), created: Date.now() - 61_000 };
  const tomorrow = { ...record(3), created: Date.now() + 86_400_000 };
  await using store = folderStore(options);
  for (const [i, one] of [fresh, old, tomorrow].entries()) await store.put(hashedKey(i), one);
  expect(await store.get(hashedKey(0))).toBeDefined();
  expect(await store.get(hashedKey(2))).toBeDefined();
  for (const call of ['has', 'get', 'info'] as const) {
    await store.put(hashedKey(1), old);
    expect(await store[call](hashedKey(1))).toBe(call === 'has' ? false : undefined);
    expect(await keysOf(store)).toEqual([0, 2].map(hashedKey).sort());
  }
  await store.put(hashedKey(1), old);
  expect(await store.compact()).toMatchObject({ expired: 1 });
  expect(await store.stats()).toMatchObject({
    records: 2,
    missesBy: { absent: 1 },
    evictionsBy: { expired: 4 },
  });
});
