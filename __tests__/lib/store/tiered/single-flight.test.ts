import { expect, test } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DisposedError, memoryStore, tieredStore } from '../../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../../lib/testing/index.js';
import { door, sleep, StandIn, until } from './support.js';

const key = sampleKey(1);

async function slowStore() {
  const slow = new StandIn();
  await slow.inner.put(key, sampleRecord());
  const signals: (AbortSignal | undefined)[] = [];
  const gate = door();
  slow.before = (method, _key, signal) => {
    if (method !== 'get') return undefined;
    signals.push(signal);
    return gate.opened;
  };
  const fast = memoryStore();
  return { slow, fast, store: tieredStore([fast, slow]), signals, open: gate.open };
}

test('a hundred gets of one record load it once, and each counts', async () => {
  const { slow, store, open } = await slowStore();
  const gets = Array.from({ length: 100 }, () => store.get(key));
  await sleep(5);
  open();
  const records = await Promise.all(gets);
  expect(new Set(records).size).toBe(1);
  expect(records[0]).toBeDefined();
  expect(slow.count('get')).toBe(1);
  expect(await store.stats()).toMatchObject({ hits: 100, misses: 0 });
});

test('a hundred gets of a record that is nowhere ask once, and each is a miss', async () => {
  const { slow, store, open } = await slowStore();
  const gets = Array.from({ length: 100 }, () => store.get(sampleKey(2)));
  open();
  expect(new Set(await Promise.all(gets))).toEqual(new Set([undefined]));
  expect(slow.count('get')).toBe(1);
  expect((await store.stats()).missesBy).toEqual({ absent: 100 });
});

test('one caller’s abort does not fail the others', async () => {
  const { slow, store, signals, open } = await slowStore();
  const controller = new AbortController();
  const reason = new Error('enough');
  const leaving = store.get(key, { signal: controller.signal });
  const staying = [store.get(key), store.get(key, { signal: new AbortController().signal })];
  await until(() => signals.length === 1);
  controller.abort(reason);
  await expect(leaving).rejects.toBe(reason);
  expect(signals[0]?.aborted).toBe(false);
  open();
  for (const record of await Promise.all(staying)) expect(record).toBeDefined();
  expect(slow.count('get')).toBe(1);
  expect(await store.stats()).toMatchObject({ hits: 2, misses: 0 });
});

test('when all callers left, the load is aborted, and the next caller loads anew', async () => {
  const { slow, store, signals, open } = await slowStore();
  const controllers = Array.from({ length: 10 }, () => new AbortController());
  const gets = controllers.map(({ signal }) => store.get(key, { signal }));
  await until(() => signals.length === 1);
  const reasons = controllers.map((_, i) => new Error(`enough for ${i}`));
  for (const [i, controller] of controllers.entries()) {
    expect(signals[0]?.aborted).toBe(false);
    controller.abort(reasons[i]);
    await expect(gets[i]).rejects.toBe(reasons[i]);
  }
  expect(signals[0]?.aborted).toBe(true);
  const again = store.get(key);
  open();
  expect(await again).toBeDefined();
  expect(slow.count('get')).toBe(2);
});

test('a failed load is not kept', async () => {
  const { slow, store } = await slowStore();
  slow.before = () => {
    throw new Error('down');
  };
  expect(await store.get(key)).toBeUndefined();
  slow.before = () => {};
  expect(await store.get(key)).toBeDefined();
});

test('closing ends loads under way', async () => {
  const { store } = await slowStore();
  const get = store.get(key);
  await sleep(5);
  await Promise.all([expect(get).rejects.toBeInstanceOf(DisposedError), store.close()]);
});

/** Bytes that something still refers to. */
function bytesInUse(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const total = process.env.CHUNKWEAVE_SOAK ? 100_000 : 10_000;

test('many keys under a hundred callers at once, with aborts: every answer is right, nothing is left, and no memory is kept', async () => {
  const fast = memoryStore({ maxBytes: 3000 });
  const slow = new StandIn();
  slow.before = () => sleep(0);
  const store = tieredStore([fast, slow]);
  const records = Array.from({ length: 12 }, (_, seed) => sampleRecord({ seed }));
  for (const [i, record] of records.entries()) await slow.inner.put(sampleKey(i), record);
  let turn = 0;
  let aborted = 0;
  let before = 0;
  const caller = async () => {
    while (turn < total) {
      if (turn === total / 4) before = bytesInUse();
      const number = turn++ % records.length;
      const controller = new AbortController();
      if (turn % 17 === 0) queueMicrotask(() => controller.abort());
      try {
        const record = await store.get(sampleKey(number), { signal: controller.signal });
        expect(record).toBe(records[number]);
      } catch (error) {
        if (!controller.signal.aborted) throw error;
        aborted++;
      }
    }
  };
  await Promise.all(Array.from({ length: 100 }, caller));
  expect(bytesInUse() - before).toBeLessThan(4 * 2 ** 20);
  expect(before).toBeGreaterThan(0);
  expect(aborted).toBeGreaterThan(100);
  const { hits, misses } = await store.stats();
  expect(misses).toBe(0);
  expect(hits + aborted).toBeGreaterThanOrEqual(total);
  await store.flush();
  expect(store.backlog()).toMatchObject([
    { records: 0, bytes: 0, deletions: 0 },
    { records: 0, bytes: 0, deletions: 0 },
  ]);
});
