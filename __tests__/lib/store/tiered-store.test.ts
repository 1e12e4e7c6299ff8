import { expect, test } from '@jest/globals';
import {
  type ChunkStore,
  InvalidArgumentError,
  memoryStore,
  tieredStore,
} from '../../../lib/index.js';
import { sampleKey, sampleRecord, storeConformance } from '../../../lib/testing/index.js';

storeConformance(
  { test },
  {
    name: 'tiered',
    create: ({ maxBytes }) => tieredStore([memoryStore({ maxBytes }), memoryStore({ maxBytes })]),
    evictsLeastRecentlyUsed: false,
  },
);

async function fail(): Promise<never> {
  throw new Error('down');
}

/** A tier of which every call fails. */
function brokenStore(): ChunkStore {
  const store = memoryStore();
  return Object.assign(store, { get: fail, has: fail, put: fail, delete: fail });
}

test('a hit in a later tier is copied to those before it', async () => {
  const [fast, slow] = [memoryStore(), memoryStore()];
  await slow.put(sampleKey(1), sampleRecord());
  const store = tieredStore([fast, slow]);
  expect(await store.get(sampleKey(1))).toBeDefined();
  expect(await store.get(sampleKey(1))).toBeDefined();
  expect((await fast.stats()).hits).toBe(1);
  expect((await slow.stats()).hits).toBe(1);
  expect(await store.stats()).toMatchObject({ hits: 2, misses: 0, records: 1 });
});

test('a put goes to all tiers, and one that keeps it is enough', async () => {
  const [small, large] = [memoryStore({ maxBytes: 100 }), memoryStore()];
  const store = tieredStore([small, large]);
  expect(await store.put(sampleKey(1), sampleRecord())).toBe(true);
  expect(await small.has(sampleKey(1))).toBe(false);
  expect(await large.has(sampleKey(1))).toBe(true);
});

test('a tier that is down is passed over', async () => {
  const store = tieredStore([brokenStore(), memoryStore()]);
  expect(await store.put(sampleKey(1), sampleRecord())).toBe(true);
  expect(await store.get(sampleKey(1))).toBeDefined();
  expect(await store.has(sampleKey(1))).toBe(true);
  expect(await store.delete(sampleKey(1))).toBe(true);
  expect(await tieredStore([brokenStore()]).put(sampleKey(1), sampleRecord())).toBe(false);
});

test('a deleted record does not come back by promotion', async () => {
  const [fast, slow] = [memoryStore(), memoryStore()];
  await slow.put(sampleKey(1), sampleRecord());
  const store = tieredStore([fast, slow]);
  const found = store.get(sampleKey(1));
  await found;
  await store.delete(sampleKey(1));
  expect(await store.get(sampleKey(1))).toBeUndefined();
});

test('no tiers are refused', () => {
  expect(() => tieredStore([])).toThrow(InvalidArgumentError);
});
