import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { folderStore } from '../../../../adapters/fs/index.js';
import {
  type ChunkRecord,
  type ChunkStore,
  memoryStore,
  type RecordUse,
  tieredStore,
} from '../../../../lib/index.js';
import { UnseenUses } from '../../../../lib/store/tiered/unseen-uses.js';
import { sampleKey, sampleRecord } from '../../../../lib/testing/index.js';
import { forever, sleep, StandIn, until } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'chunkweave-unseen-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A tier that writes down what it is told. */
class Told extends StandIn {
  readonly told: [string, RecordUse][] = [];
  whenTold: () => Promise<void> | void = () => {};

  async used(key: string, use: RecordUse): Promise<void> {
    this.told.push([key, use]);
    await this.whenTold();
    await this.inner.used?.(key, use);
  }
}

const hot = sampleKey(1);

/** Puts a record that is used all the time, and many more that are not, and says whether it survives below. */
async function survives(
  slow: ChunkStore,
  use: (store: ChunkStore) => Promise<unknown>,
  tellUsesMs?: number,
): Promise<boolean> {
  const store = tieredStore([memoryStore(), slow], {
    ...(tellUsesMs !== undefined && { tellUsesMs }),
  });
  await store.put(hot, sampleRecord());
  for (let number = 2; number < 12; number++) {
    await sleep(12);
    await use(store);
    await store.flush();
    await sleep(12);
    await store.put(sampleKey(number), sampleRecord({ seed: number }));
  }
  const stays = await slow.has(hot);
  await store.close();
  return stays;
}

const get = (store: ChunkStore) => store.get(hot);
const layers = async (store: ChunkStore) => {
  for await (const kv of store.getLayers(hot)) expect(kv.tokens.length).toBe(5);
};

async function bytesOf(store: ChunkStore, record: ChunkRecord): Promise<number> {
  await store.put(hot, record);
  const { bytes } = await store.stats();
  await store.close();
  return bytes;
}

describe.each([
  ['memory', (maxBytes?: number) => memoryStore({ ...(maxBytes && { maxBytes }) })],
  [
    'a folder',
    (maxBytes?: number) =>
      folderStore({
        directory: join(folder, String(Math.random())),
        ...(maxBytes && { maxBytes }),
      }),
  ],
])('over %s', (_, create) => {
  test('what a faster tier gives out all the time is not evicted from a slower one', async () => {
    const maxBytes = Math.floor(3.5 * (await bytesOf(create(), sampleRecord())));
    expect(await survives(create(maxBytes), get, 0)).toBe(true);
    expect(await survives(create(maxBytes), layers, 0)).toBe(true);
    // So it is being told of uses that keeps it.
    expect(await survives(create(maxBytes), get, Infinity)).toBe(false);
  });
});

test('a tier is told once in a while, of all uses since then', async () => {
  const slow = new Told();
  const store = tieredStore([memoryStore(), slow], { tellUsesMs: 80 });
  await store.put(hot, sampleRecord());
  // It has just been written.
  for (let i = 0; i < 5; i++) await store.get(hot);
  await store.flush();
  expect(slow.told).toEqual([]);
  await sleep(90);
  for (let i = 0; i < 3; i++) await store.get(hot);
  await store.flush();
  expect(slow.told).toEqual([[hot, { unseen: 6 }]]);
  expect((await slow.inner.info(hot))?.hits).toBe(6);
  expect((await slow.inner.stats()).hits).toBe(0);
});

test('a tier that was read itself is not told, those behind it are', async () => {
  const [fast, middle, slow] = [memoryStore(), new Told(), new Told()];
  await middle.inner.put(hot, sampleRecord());
  await slow.inner.put(hot, sampleRecord());
  const store = tieredStore([fast, middle, slow]);
  await store.get(hot);
  await store.flush();
  await store.get(hot);
  await store.flush();
  expect((await fast.stats()).hits).toBe(1);
  expect(middle.told).toEqual([]);
  expect(slow.told).toEqual([[hot, { unseen: 1 }]]);
});

test('telling never delays an answer, and one that fails harms nobody', async () => {
  const slow = new Told();
  const store = tieredStore([memoryStore(), { store: slow, deadlineMs: 5000 }], { tellUsesMs: 0 });
  await store.put(hot, sampleRecord());
  slow.whenTold = forever;
  const start = performance.now();
  for (let i = 0; i < 3; i++) expect(await store.get(hot)).toBeDefined();
  expect(performance.now() - start).toBeLessThan(4000);
  slow.whenTold = () => Promise.reject(new Error('down'));
  expect(await store.get(hot)).toBeDefined();
  await store.flush();
  await store.close();
});

test('a report of a use goes to all tiers', async () => {
  const tiers = [new Told(), new StandIn(), new Told()];
  const store = tieredStore(tiers);
  await store.used(hot, { fixOverhead: 0.5 });
  for (const tier of tiers) {
    if (tier instanceof Told) expect(tier.told).toEqual([[hot, { fixOverhead: 0.5 }]]);
  }
  await store.close();
  await expect(store.used(hot, {})).rejects.toMatchObject({ code: 'DISPOSED' });
});

test('a record that was deleted meanwhile is not brought back by being told of', async () => {
  const slow = folderStore({ directory: join(folder, 'deleted') });
  const store = tieredStore([memoryStore(), slow], { tellUsesMs: 0 });
  await store.put(hot, sampleRecord());
  const uses = Array.from({ length: 20 }, () => store.get(hot));
  await store.delete(hot);
  await Promise.all(uses);
  await until(async () => !(await slow.has(hot)));
  expect((await slow.stats()).records).toBe(0);
  await store.close();
});

test('what is remembered of uses is bounded', () => {
  let now = 0;
  const uses = new UnseenUses(1000, () => now);
  expect(uses.add('first')).toBe(1);
  expect(uses.add('first')).toBe(0);
  for (let i = 0; i < 20_000; i++) uses.add(`other ${i}`);
  // It was forgotten, and so is told of again.
  expect(uses.add('first')).toBe(1);
  now = 1000;
  expect(uses.add('other 19999')).toBe(1);
});

test.each([-1, Number.NaN])('to tell of uses every %p ms is refused', (tellUsesMs) => {
  expect(() => tieredStore([memoryStore()], { tellUsesMs })).toThrow(/tellUsesMs/);
});
