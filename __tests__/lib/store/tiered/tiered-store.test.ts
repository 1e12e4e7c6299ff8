import { expect, test } from '@jest/globals';
import {
  InvalidArgumentError,
  memoryStore,
  StoreError,
  type StoreEvent,
  tieredStore,
  type TierOptions,
} from '../../../../lib/index.js';
import { sampleKey, sampleRecord, storeConformance } from '../../../../lib/testing/index.js';
import { StandIn } from './support.js';

storeConformance(
  { test },
  {
    name: 'tiered',
    create: ({ maxBytes }) => tieredStore([memoryStore({ maxBytes }), memoryStore({ maxBytes })]),
    evictsLeastRecentlyUsed: false,
  },
);
storeConformance(
  {
    // What is queued is taken before the tier has said that it is too large.
    test: (name, run) => name.includes('larger than the bound') || test(name, run),
  },
  {
    name: 'tiered, the first written behind',
    create: ({ maxBytes }) =>
      tieredStore([
        { store: memoryStore({ maxBytes: 500 }), write: 'behind' },
        memoryStore({ maxBytes }),
      ]),
    evictsLeastRecentlyUsed: false,
  },
);
storeConformance(
  { test },
  {
    name: 'tiered, one that can keep nothing',
    create: ({ maxBytes }) => {
      const full = new StandIn();
      full.before = (method) => {
        if (method === 'put' || method === 'info') throw new Error('full');
      };
      return tieredStore([
        { store: full, circuit: { failures: 10_000 } },
        memoryStore({ maxBytes }),
      ]);
    },
    evictsLeastRecentlyUsed: false,
  },
);

/** A tier of which every call but closing fails. */
function brokenStore(): StandIn {
  const store = new StandIn();
  store.before = (method) => {
    if (method !== 'close') throw new Error('down');
  };
  return store;
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

test('what is listed from the tiers that answer comes first, then an error names the one that did not', async () => {
  const fine = memoryStore();
  const store = tieredStore([{ store: brokenStore(), name: 'remote' }, fine]);
  await store.put(sampleKey(1), sampleRecord());
  const keys: string[] = [];
  const list = async () => {
    for await (const key of store.list()) keys.push(key);
  };
  await expect(list()).rejects.toThrow(/remote: down/);
  await expect(list()).rejects.toBeInstanceOf(StoreError);
  expect(keys).toEqual([sampleKey(1), sampleKey(1)]);
});

test('clearing clears what it can, then says which tier it could not', async () => {
  const fine = memoryStore();
  const store = tieredStore([{ store: brokenStore(), name: 'remote' }, fine]);
  await store.put(sampleKey(1), sampleRecord());
  await expect(store.clear()).rejects.toThrow(/remote: down/);
  expect((await fine.stats()).records).toBe(0);
});

test('the reason of a miss is that of the first tier that may have had the record', async () => {
  const events: StoreEvent[] = [];
  const store = tieredStore([memoryStore(), brokenStore(), memoryStore()], {
    onEvent: (event) => events.push(event),
  });
  expect(await store.get(sampleKey(1))).toBeUndefined();
  expect((await store.stats()).missesBy).toEqual({ failed: 1 });
  expect(events).toEqual([{ store: 'tiered', type: 'miss', key: sampleKey(1), reason: 'failed' }]);
});

test('evictions of the tiers are added up by reason, and deletions may be counted as such', async () => {
  const store = tieredStore([memoryStore({ maxBytes: 1500 }), memoryStore()]);
  for (let i = 0; i < 4; i++) await store.put(sampleKey(i), sampleRecord({ seed: i }));
  const before = await store.stats();
  expect(before.evictionsBy.space).toBeGreaterThan(0);
  await store.delete(sampleKey(3), { evictedFor: 'variant' });
  const { evictionsBy, tiers } = await store.stats();
  expect(evictionsBy).toEqual({ ...before.evictionsBy, variant: 2 });
  expect(tiers).toHaveLength(2);
});

test('statistics of a tier that does not answer are the last it gave', async () => {
  const slow = new StandIn();
  const store = tieredStore([{ store: slow, deadlineMs: 20 }]);
  await store.put(sampleKey(1), sampleRecord());
  expect((await store.stats()).records).toBe(1);
  slow.before = () => new Promise(() => {});
  expect((await store.stats()).records).toBe(1);
});

test('no tiers are refused', () => {
  expect(() => tieredStore([])).toThrow(InvalidArgumentError);
});

const wrong: [Partial<TierOptions>, RegExp][] = [
  [{ deadlineMs: 0 }, /deadlineMs of tier 1 is 0/],
  [{ deadlineMs: Number.NaN }, /deadlineMs/],
  [{ writeDeadlineMs: -1, name: 'disk' }, /writeDeadlineMs of disk is -1/],
  [{ write: 'sideways' as 'behind' }, /write of tier 1 is sideways/],
  [{ queue: { maxBytes: 0 } }, /maxBytes/],
  [{ queue: { maxRecords: 1.5 } }, /maxRecords/],
  [{ circuit: { failures: 0 } }, /failures/],
  [{ circuit: { coolDownMs: -3 } }, /coolDownMs/],
];
test.each(wrong)('the options %j are refused', (options, message) => {
  const make = () => tieredStore([{ store: memoryStore(), ...options }]);
  expect(make).toThrow(InvalidArgumentError);
  expect(make).toThrow(message);
});

test('two tiers of one name are refused', () => {
  const [a, b] = [memoryStore(), memoryStore()].map((store) => ({ store, name: 'disk' }));
  expect(() => tieredStore([a!, b!])).toThrow(/same name/);
});
