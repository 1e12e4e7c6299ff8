import { expect, test } from '@jest/globals';
import { gdsfPolicy, InvalidArgumentError, memoryStore, reusePolicy } from '../../../lib/index.js';
import { recordBytes } from '../../../lib/store/record.js';
import { sampleKey, sampleRecord, storeConformance } from '../../../lib/testing/index.js';

storeConformance({ test }, { name: 'memory', create: memoryStore });
for (const eviction of [gdsfPolicy, reusePolicy]) {
  storeConformance(
    { test },
    {
      name: `memory, ${eviction().name}`,
      create: (options) => memoryStore({ ...options, eviction }),
      evictsLeastRecentlyUsed: false,
    },
  );
}

test('records are kept by reference', async () => {
  const store = memoryStore();
  const record = sampleRecord();
  await store.put(sampleKey(1), record);
  expect(await store.get(sampleKey(1))).toBe(record);
});

test.each([0, -1, 1.5, Number.NaN])('a bound of %p is refused', (maxBytes) => {
  expect(() => memoryStore({ maxBytes })).toThrow(InvalidArgumentError);
});

test('a pinned record is not evicted, and is again once every pin is gone', async () => {
  const record = sampleRecord();
  const store = memoryStore({ maxBytes: 2 * recordBytes(record) });
  await store.put(sampleKey(1), record);
  const releases = [store.pin(sampleKey(1)), store.pin(sampleKey(1))];
  for (const name of [2, 3, 4]) expect(await store.put(sampleKey(name), record)).toBe(true);
  expect(await store.has(sampleKey(1))).toBe(true);
  const second = store.pin(sampleKey(4));
  // Everything is pinned: nothing may go for the newcomer.
  expect(await store.put(sampleKey(5), record)).toBe(false);
  releases[0]!();
  releases[0]!();
  expect(await store.put(sampleKey(5), record)).toBe(false);
  releases[1]!();
  second();
  expect(await store.put(sampleKey(5), record)).toBe(true);
  expect(await store.has(sampleKey(1))).toBe(false);
});

test('a policy that does not admit a record keeps the others', async () => {
  const record = sampleRecord();
  const store = memoryStore({
    maxBytes: recordBytes(record),
    eviction: () => ({ ...gdsfPolicy(), admits: () => false }),
  });
  expect(await store.put(sampleKey(1), record)).toBe(true);
  expect(await store.put(sampleKey(2), record)).toBe(false);
  expect(await store.get(sampleKey(1))).toBe(record);
  expect((await store.stats()).evictions).toBe(0);
});
