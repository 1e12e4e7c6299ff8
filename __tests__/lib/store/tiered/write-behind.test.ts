import { expect, test } from '@jest/globals';
import {
  type ChunkRecord,
  memoryStore,
  type StoreEvent,
  tieredStore,
} from '../../../../lib/index.js';
import { recordBytes } from '../../../../lib/store/record.js';
import { sampleKey, sampleRecord } from '../../../../lib/testing/index.js';
import { door, forever, sleep, StandIn, until } from './support.js';

const bytes = recordBytes(sampleRecord());

test('a put does not wait for the tier, and the record is found meanwhile', async () => {
  const remote = new StandIn();
  const { open, opened } = door();
  remote.before = (method) => (method === 'put' ? opened : undefined);
  const store = tieredStore([{ store: remote, write: 'behind' }]);
  const record = sampleRecord();
  expect(await store.put(sampleKey(1), record)).toBe(true);
  expect(await remote.inner.has(sampleKey(1))).toBe(false);
  expect(await store.get(sampleKey(1))).toBe(record);
  expect(await store.has(sampleKey(1))).toBe(true);
  expect(await store.info(sampleKey(1))).toMatchObject({ key: sampleKey(1), hits: 0 });
  const keys: string[] = [];
  for await (const key of store.list()) keys.push(key);
  expect(keys).toEqual([sampleKey(1)]);
  const layers: number[] = [];
  for await (const { layers: read } of store.getLayers(sampleKey(1))) layers.push(read.from);
  expect(layers).toEqual([0, 1, 2]);
  expect(store.backlog()[0]).toMatchObject({ records: 1, bytes });
  open();
  await store.flush();
  expect(store.backlog()[0]).toMatchObject({ records: 0, bytes: 0 });
  expect(await remote.inner.has(sampleKey(1))).toBe(true);
});

test('records are written in the order of their puts, one at a time', async () => {
  const remote = new StandIn();
  let atOnce = 0;
  let most = 0;
  remote.before = async () => {
    most = Math.max(most, ++atOnce);
    await sleep(1);
    atOnce--;
  };
  const store = tieredStore([memoryStore(), { store: remote, write: 'behind' }]);
  const order = Array.from({ length: 30 }, (_, i) => (i * 7) % 30);
  for (const number of order) await store.put(sampleKey(number), sampleRecord());
  await store.flush();
  expect(remote.calls).toEqual(order.map((number) => `put:${number}`));
  expect(most).toBe(1);
});

test('of two puts of one key that wait, the last is written', async () => {
  const remote = new StandIn();
  const { open, opened } = door();
  remote.before = () => opened;
  const store = tieredStore([{ store: remote, write: 'behind' }]);
  await store.put(sampleKey(9), sampleRecord());
  const records = [1, 2, 3].map((seed) => sampleRecord({ seed }));
  for (const record of records) await store.put(sampleKey(1), record);
  expect(await store.get(sampleKey(1))).toBe(records[2]);
  expect(store.backlog()[0]).toMatchObject({ records: 2 });
  open();
  await store.flush();
  expect(remote.calls).toEqual(['put:9', 'put:1']);
  expect(await remote.inner.get(sampleKey(1))).toBe(records[2]);
});

test('closing writes what is queued', async () => {
  const remote = new StandIn();
  let kept: ChunkRecord | undefined;
  remote.before = async (method) => {
    if (method === 'close') kept = await remote.inner.get(sampleKey(19));
    else await sleep(2);
  };
  const store = tieredStore([{ store: remote, write: 'behind' }]);
  for (let i = 0; i < 20; i++) await store.put(sampleKey(i), sampleRecord());
  await store.close();
  expect(remote.count('put')).toBe(20);
  expect(kept).toBeDefined();
});

test.each([
  ['bytes', { maxBytes: 3 * bytes }],
  ['records', { maxRecords: 3 }],
])('a put waits while the queue is full of %s', async (_, queue) => {
  const remote = new StandIn();
  const doors = Array.from({ length: 6 }, door);
  let begun = 0;
  remote.before = () => doors[begun++]?.opened;
  const store = tieredStore([{ store: remote, write: 'behind', queue }]);
  const done: number[] = [];
  const puts = [0, 1, 2, 3, 4].map(async (number) => {
    await store.put(sampleKey(number), sampleRecord());
    done.push(number);
  });
  await sleep(20);
  expect(done).toEqual([0, 1, 2]);
  doors[0]?.open();
  await until(() => done.length === 4);
  await sleep(20);
  expect(done).toEqual([0, 1, 2, 3]);
  for (const { open } of doors) open();
  await Promise.all(puts);
  await store.flush();
  expect(done).toEqual([0, 1, 2, 3, 4]);
  expect(remote.count('put')).toBe(5);
});

test('a record larger than the queue is taken when nothing else is queued', async () => {
  const remote = new StandIn();
  const store = tieredStore([{ store: remote, write: 'behind', queue: { maxBytes: 10 } }]);
  for (const number of [1, 2]) {
    expect(await store.put(sampleKey(number), sampleRecord())).toBe(true);
  }
  await store.flush();
  expect(remote.calls).toEqual(['put:1', 'put:2']);
});

test('a put that waits for room ends with its caller’s abort, and takes none', async () => {
  const remote = new StandIn();
  const { open, opened } = door();
  remote.before = () => opened;
  const store = tieredStore([{ store: remote, write: 'behind', queue: { maxRecords: 1 } }]);
  await store.put(sampleKey(1), sampleRecord());
  const controller = new AbortController();
  const reason = new Error('enough');
  const put = store.put(sampleKey(2), sampleRecord(), { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 10);
  await expect(put).rejects.toBe(reason);
  open();
  await store.flush();
  expect(store.backlog()[0]).toMatchObject({ records: 0, bytes: 0 });
  expect(remote.calls).toEqual(['put:1']);
});

test('what cannot be written behind is counted, and told', async () => {
  const events: StoreEvent[] = [];
  const remote = new StandIn();
  remote.before = async (method) => {
    await sleep(1);
    if (method === 'put') throw new Error('full');
  };
  const store = tieredStore([memoryStore(), { store: remote, write: 'behind' }], {
    onEvent: (event) => event.type === 'put' && events.push(event),
  });
  expect(await store.put(sampleKey(1), sampleRecord())).toBe(true);
  await store.flush();
  expect((await store.stats()).refused).toBe(1);
  expect(events).toMatchObject([
    { key: sampleKey(1), kept: true },
    { key: sampleKey(1), kept: false, bytes },
  ]);
});

test('a record that the tier refuses counts as well', async () => {
  const store = tieredStore([
    memoryStore(),
    { store: memoryStore({ maxBytes: 10 }), write: 'behind' },
  ]);
  expect(await store.put(sampleKey(1), sampleRecord())).toBe(true);
  await store.flush();
  expect((await store.stats()).refused).toBe(1);
});

test('a dead tier holds nobody up for long, and what was queued for it is given up', async () => {
  const remote = new StandIn();
  remote.before = (method) => (method === 'put' ? forever() : undefined);
  const store = tieredStore([
    memoryStore(),
    {
      store: remote,
      write: 'behind',
      writeDeadlineMs: 15,
      queue: { maxRecords: 2 },
      circuit: { failures: 2, coolDownMs: 60_000 },
    },
  ]);
  const start = performance.now();
  for (let i = 0; i < 50; i++) expect(await store.put(sampleKey(i), sampleRecord())).toBe(true);
  expect(performance.now() - start).toBeLessThan(1000);
  await store.flush();
  // Two are counted when they are given up; the others were never taken.
  expect((await store.stats()).refused).toBe(2);
  expect(remote.count('put')).toBe(2);
});

test('deleting reaches what is queued', async () => {
  const remote = new StandIn();
  const { open, opened } = door();
  remote.before = (method) => (method === 'put' ? opened : undefined);
  const store = tieredStore([{ store: remote, write: 'behind' }]);
  for (const number of [1, 2]) await store.put(sampleKey(number), sampleRecord());
  // The first is being written, the second waits.
  const deletions = [store.delete(sampleKey(1)), store.delete(sampleKey(2))];
  expect(await store.get(sampleKey(1))).toBeUndefined();
  expect(await store.has(sampleKey(2))).toBe(false);
  open();
  expect(await Promise.all(deletions)).toEqual([true, true]);
  await store.flush();
  expect((await remote.inner.stats()).records).toBe(0);
  expect(remote.count('put')).toBe(1);
});

test('clearing reaches what is queued, and a put afterwards is kept', async () => {
  const remote = new StandIn();
  const { open, opened } = door();
  remote.before = (method) => (method === 'put' ? opened : undefined);
  const store = tieredStore([{ store: remote, write: 'behind' }]);
  for (const number of [1, 2, 3]) await store.put(sampleKey(number), sampleRecord());
  const cleared = store.clear();
  const put = store.put(sampleKey(4), sampleRecord());
  await sleep(10);
  open();
  await Promise.all([cleared, put]);
  await store.flush();
  const keys: string[] = [];
  for await (const key of remote.inner.list()) keys.push(key);
  expect(keys).toEqual([sampleKey(4)]);
});
