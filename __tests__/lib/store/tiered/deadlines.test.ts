import { expect, test } from '@jest/globals';
import { type ChunkStore, memoryStore, tieredStore } from '../../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../../lib/testing/index.js';
import { door, forever, type Method, sleep, StandIn, untilAborted } from './support.js';

const key = sampleKey(1);

async function timed<T>(work: Promise<T>): Promise<{ value: T; ms: number }> {
  const start = performance.now();
  const value = await work;
  return { value, ms: performance.now() - start };
}

test.each<[Method, (store: ChunkStore) => Promise<unknown>, unknown]>([
  ['get', (store) => store.get(key), undefined],
  ['info', (store) => store.info(key), undefined],
  ['has', (store) => store.has(key), false],
  ['put', (store) => store.put(key, sampleRecord()), false],
  ['delete', (store) => store.delete(key), false],
])('%s of a tier that hangs ends at the deadline', async (method, call, expected) => {
  const stuck = new StandIn();
  stuck.before = (called) => (called === method ? forever() : undefined);
  const store = tieredStore([{ store: stuck, deadlineMs: 30, writeDeadlineMs: 30 }]);
  const { value, ms } = await timed(call(store));
  expect(value).toEqual(expected);
  expect(ms).toBeGreaterThan(25);
  expect(ms).toBeLessThan(1000);
});

test('a tier that hangs does not keep another from answering, nor from writing', async () => {
  const stuck = new StandIn();
  stuck.before = forever;
  const fine = memoryStore();
  const store = tieredStore([{ store: stuck, deadlineMs: 20, writeDeadlineMs: 20 }, fine]);
  expect(await store.put(key, sampleRecord())).toBe(true);
  expect(await fine.has(key)).toBe(true);
  expect(await store.get(key)).toBeDefined();
});

test('a call that is too late is told so, and what it brings is ignored', async () => {
  const slow = new StandIn();
  await slow.inner.put(key, sampleRecord());
  const fast = memoryStore();
  const { open, opened } = door();
  let reason: unknown;
  slow.before = (_method, _key, signal) => {
    signal?.addEventListener('abort', () => {
      reason = signal.reason;
    });
    return opened;
  };
  const store = tieredStore([fast, { store: slow, deadlineMs: 20 }]);
  expect(await store.get(key)).toBeUndefined();
  expect(reason).toMatchObject({ name: 'TimeoutError' });
  open();
  await sleep(10);
  expect(await fast.has(key)).toBe(false);
  expect(await store.stats()).toMatchObject({ hits: 0, misses: 1, missesBy: { late: 1 } });
});

test('a failure that comes too late harms nobody', async () => {
  const slow = new StandIn();
  slow.before = async () => {
    await sleep(40);
    throw new Error('and it failed as well');
  };
  const store = tieredStore([{ store: slow, deadlineMs: 10 }]);
  expect(await store.get(key)).toBeUndefined();
  await sleep(60);
  expect((await store.stats()).misses).toBe(1);
});

test('a thread that was held up does not make a tier late', async () => {
  const slow = new StandIn();
  await slow.inner.put(key, sampleRecord());
  slow.before = () => sleep(5);
  const store = tieredStore([{ store: slow, deadlineMs: 50 }]);
  const found = store.get(key);
  const end = performance.now() + 120;
  while (performance.now() < end);
  expect(await found).toBeDefined();
});

test('a caller who leaves is told its own reason, and the tier is not blamed', async () => {
  const slow = new StandIn();
  slow.before = (_method, _key, signal) => untilAborted(signal);
  const store = tieredStore([{ store: slow, circuit: { failures: 1 } }]);
  const controller = new AbortController();
  const { signal } = controller;
  const put = store.put(sampleKey(2), sampleRecord(), { signal });
  const calls = [store.get(key, { signal }), put];
  put.catch(() => {});
  const reason = new Error('enough');
  setTimeout(() => controller.abort(reason), 10);
  for (const call of calls) await expect(call).rejects.toBe(reason);
  expect(store.backlog()[0]).toMatchObject({ isLeftAlone: false, records: 0 });
});

test('a put whose turn does not come within the deadline is given up', async () => {
  const stuck = new StandIn();
  stuck.before = (method) => (method === 'put' ? forever() : undefined);
  const store = tieredStore([{ store: stuck, writeDeadlineMs: 20, circuit: { failures: 99 } }]);
  expect(await store.put(key, sampleRecord())).toBe(false);
  const { value, ms } = await timed(store.put(key, sampleRecord()));
  expect(value).toBe(false);
  expect(ms).toBeLessThan(1000);
  // The second never began: the first may still come to pass, and would then overwrite it.
  expect(stuck.count('put')).toBe(1);
});

test('closing does not wait for ever', async () => {
  const stuck = new StandIn();
  stuck.before = forever;
  const store = tieredStore([
    { store: stuck, name: 'remote', deadlineMs: 20, writeDeadlineMs: 20, write: 'behind' },
  ]);
  await store.put(key, sampleRecord());
  const { ms } = await timed(expect(store.close()).rejects.toThrow(/remote did not close/));
  expect(ms).toBeLessThan(1000);
});
