import { expect, test } from '@jest/globals';
import { type ChunkKv, memoryStore, tieredStore } from '../../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../../lib/testing/index.js';
import { door, forever, sleep, StandIn, until } from './support.js';

const key = sampleKey(1);

async function readAll(layers: AsyncIterable<ChunkKv>): Promise<ChunkKv[]> {
  const read: ChunkKv[] = [];
  for await (const layer of layers) read.push(layer);
  return read;
}

test('a promotion never delays the answer', async () => {
  const [fast, slow] = [new StandIn(), memoryStore()];
  await slow.put(key, sampleRecord());
  fast.before = (method) => (method === 'put' ? forever() : undefined);
  const store = tieredStore([{ store: fast, writeDeadlineMs: 2000 }, slow]);
  const start = performance.now();
  expect(await store.get(key)).toBeDefined();
  // The copy is not there yet: the record is the one that waits to be copied.
  expect(await store.get(key)).toBeDefined();
  expect(performance.now() - start).toBeLessThan(1500);
  expect((await slow.stats()).hits).toBe(1);
});

test('promotions that find no room are left out, and are no loss', async () => {
  const [fast, slow] = [new StandIn(), memoryStore()];
  const { open, opened } = door();
  fast.before = (method) => (method === 'put' ? opened : undefined);
  const store = tieredStore([{ store: fast, queue: { maxRecords: 2 } }, slow]);
  for (let i = 0; i < 10; i++) await slow.put(sampleKey(i), sampleRecord());
  for (let i = 0; i < 10; i++) expect(await store.get(sampleKey(i))).toBeDefined();
  open();
  await store.flush();
  expect((await fast.inner.stats()).records).toBe(2);
  expect((await store.stats()).refused).toBe(0);
});

test('a deleted record does not come back by promotion', async () => {
  const [fast, slow] = [memoryStore(), memoryStore()];
  await slow.put(key, sampleRecord());
  const store = tieredStore([fast, slow]);
  await store.get(key);
  await store.delete(key);
  expect(await store.get(key)).toBeUndefined();
});

test('a record that is deleted while it is loaded is not promoted', async () => {
  const [fast, slow] = [memoryStore(), new StandIn()];
  await slow.inner.put(key, sampleRecord());
  const { open, opened } = door();
  slow.before = async (method) => {
    if (method !== 'get') return;
    // The store has read it by then, and is slow to hand it over.
    await opened;
    await slow.inner.put(key, sampleRecord());
  };
  const store = tieredStore([fast, slow]);
  const get = store.get(key);
  await sleep(5);
  expect(await store.delete(key)).toBe(true);
  open();
  expect(await get).toBeDefined();
  await store.flush();
  expect(await fast.has(key)).toBe(false);
});

test('a record that is deleted while it is promoted goes, however slow the promotion', async () => {
  const [fast, slow] = [new StandIn(), memoryStore()];
  await slow.put(key, sampleRecord());
  const { open, opened } = door();
  fast.before = (method) => (method === 'put' ? opened : undefined);
  const store = tieredStore([fast, slow]);
  await store.get(key);
  const deleted = store.delete(key);
  expect(await store.get(key)).toBeUndefined();
  await sleep(5);
  expect(await store.get(key)).toBeUndefined();
  open();
  expect(await deleted).toBe(true);
  expect(await store.get(key)).toBeUndefined();
  expect(await fast.inner.has(key)).toBe(false);
  expect(fast.calls.filter((call) => !call.startsWith('get'))).toEqual(['put:1', 'delete:1']);
});

test('a promotion that outlives its deadline and a deletion is undone', async () => {
  const [fast, slow] = [new StandIn(), memoryStore()];
  await slow.put(key, sampleRecord());
  const { open, opened } = door();
  fast.before = (method) => (method === 'put' ? opened : undefined);
  const store = tieredStore([{ store: fast, writeDeadlineMs: 20 }, slow]);
  await store.get(key);
  await sleep(40);
  await store.delete(key);
  expect(store.backlog()[0]).toMatchObject({ deletions: 1 });
  expect(await store.get(key)).toBeUndefined();
  open();
  await until(() => store.backlog()[0]?.deletions === 0);
  expect(await fast.inner.has(key)).toBe(false);
});

test('a record that is put anew while the old one is loaded is not overwritten', async () => {
  const [fast, slow] = [memoryStore(), new StandIn()];
  const [old, fresh] = [sampleRecord({ seed: 1 }), sampleRecord({ seed: 2 })];
  await slow.inner.put(key, old);
  const { open, opened } = door();
  slow.before = async (method) => {
    if (method === 'get') await opened;
  };
  const store = tieredStore([fast, slow]);
  const get = store.get(key);
  await sleep(5);
  await store.put(key, fresh);
  await slow.inner.put(key, old);
  open();
  expect(await get).toBe(old);
  await store.flush();
  expect(await store.get(key)).toBe(fresh);
});

test('nothing comes back that is read while everything is cleared', async () => {
  const [fast, slow] = [memoryStore(), new StandIn()];
  await slow.inner.put(key, sampleRecord());
  const { open, opened } = door();
  slow.before = (method) => (method === 'clear' ? opened : undefined);
  const store = tieredStore([fast, slow]);
  const cleared = store.clear();
  await sleep(5);
  await store.get(key);
  open();
  await cleared;
  await store.flush();
  expect(await store.get(key)).toBeUndefined();
});

test.each([
  ['', 2],
  [', also where it was left alone', 1],
])('a deletion that fails hides the record, and is done later%s', async (_, failures) => {
  const remote = new StandIn();
  const store = tieredStore([
    memoryStore(),
    { store: remote, circuit: { failures, coolDownMs: 20 } },
  ]);
  await store.put(key, sampleRecord());
  remote.before = () => {
    throw new Error('down');
  };
  expect(await store.delete(key)).toBe(true);
  expect(store.backlog()[1]).toMatchObject({ deletions: 1, isLeftAlone: failures === 1 });
  remote.before = () => {};
  expect(await store.get(key)).toBeUndefined();
  expect(await store.has(key)).toBe(false);
  expect(await store.info(key)).toBeUndefined();
  if (failures === 2) {
    for await (const listed of store.list()) throw new Error(`${listed} is listed`);
  }
  await until(() => store.backlog()[1]?.deletions === 0);
  expect(await remote.inner.has(key)).toBe(false);
  await store.close();
});

test('a put after a deletion that failed deletes first, and is refused while that fails', async () => {
  const remote = new StandIn();
  const store = tieredStore([{ store: remote, circuit: { failures: 99 } }]);
  await store.put(key, sampleRecord({ seed: 1 }));
  remote.before = (method) => {
    if (method === 'delete') throw new Error('down');
  };
  await store.delete(key);
  expect(await store.put(key, sampleRecord({ seed: 2 }))).toBe(false);
  expect(await store.get(key)).toBeUndefined();
  remote.before = () => {};
  const fresh = sampleRecord({ seed: 3 });
  expect(await store.put(key, fresh)).toBe(true);
  expect(await store.get(key)).toBe(fresh);
  expect(store.backlog()[0]).toMatchObject({ deletions: 0 });
});

test('closing tries deletions a last time, and says what is left', async () => {
  for (const isBack of [true, false]) {
    const remote = new StandIn();
    const store = tieredStore([
      { store: remote, name: 'remote', circuit: { failures: 1, coolDownMs: 60_000 } },
    ]);
    await store.put(key, sampleRecord());
    remote.before = (method) => {
      if (method !== 'close') throw new Error('down');
    };
    await store.delete(key);
    if (isBack) remote.before = () => {};
    const closed = store.close();
    if (isBack) await closed;
    else await expect(closed).rejects.toThrow(/remote still has a record that was deleted/);
    expect(remote.count('delete')).toBe(2);
    expect(remote.count('close')).toBe(1);
  }
});

test('layers come as the tier reads them, and a record that was read whole is promoted', async () => {
  const [fast, slow] = [memoryStore(), new StandIn()];
  const record = {
    ...sampleRecord({ layers: 5 }),
    source: { documentId: 'a', start: 1, end: 9 },
    context: { chunks: [sampleKey(7)], warmupTokens: 3 },
    details: { cci: 0.5 },
  };
  await slow.inner.put(key, record);
  const doors = Array.from({ length: 5 }, door);
  slow.before = (method, at) =>
    method === 'getLayers' && at.includes('/')
      ? doors[Number(at.split('/')[1])]?.opened
      : undefined;
  const store = tieredStore([fast, slow]);
  const layers = store.getLayers(key)[Symbol.asyncIterator]();
  doors[0]?.open();
  // The first is there while the others are not.
  expect((await layers.next()).value.layers).toEqual({ from: 0, to: 1 });
  for (const { open } of doors) open();
  for (let layer = 1; layer < 5; layer++) {
    expect((await layers.next()).value.layers).toEqual({ from: layer, to: layer + 1 });
  }
  expect((await layers.next()).done).toBe(true);
  expect(await store.stats()).toMatchObject({
    hits: 1,
    misses: 0,
    saved: { tokens: 5, recomputeMs: record.computeMs },
  });
  await store.flush();
  expect(await fast.get(key)).toEqual(record);
});

test('layers that do not lie together are put together for the promotion', async () => {
  const [fast, slow] = [memoryStore(), new StandIn()];
  const record = sampleRecord({ layers: 4 });
  await slow.inner.put(key, record);
  const apart = slow.getLayers.bind(slow);
  slow.getLayers = async function* (wanted, options) {
    for await (const kv of apart(wanted, options)) yield { ...kv, data: kv.data.slice() };
  };
  const store = tieredStore([fast, slow]);
  await readAll(store.getLayers(key));
  await store.flush();
  expect(await fast.get(key)).toEqual(record);
});

test('layers that were read in part, or whose record was deleted meanwhile, are not promoted', async () => {
  const [fast, slow] = [memoryStore(), memoryStore()];
  await slow.put(key, sampleRecord({ layers: 4 }));
  const store = tieredStore([fast, slow]);
  expect(await readAll(store.getLayers(key, { layers: { from: 1, to: 4 } }))).toHaveLength(3);
  for await (const { layers } of store.getLayers(key)) if (layers.from === 2) break;
  await store.flush();
  expect(await fast.has(key)).toBe(false);
  for await (const { layers } of store.getLayers(key)) {
    if (layers.from === 3) await store.delete(key);
  }
  await store.flush();
  expect(await fast.has(key)).toBe(false);
  expect((await store.stats()).hits).toBe(3);
});

test('where a tier breaks off in the middle, the next goes on with the same layers', async () => {
  const record = sampleRecord({ layers: 6 });
  const [first, second] = [new StandIn(), memoryStore()];
  await first.inner.put(key, record);
  await second.put(key, record);
  first.before = (_method, at) => {
    if (at.endsWith('/3')) throw new Error('torn');
  };
  const store = tieredStore([first, second]);
  const read = await readAll(store.getLayers(key));
  expect(read.map(({ layers }) => layers.from)).toEqual([0, 1, 2, 3, 4, 5]);
  const bytes = read.flatMap(({ data }) => [...data]);
  expect(bytes).toEqual([...record.kv.data]);
});

test('where no tier can go on, reading fails in the middle', async () => {
  const only = new StandIn();
  await only.inner.put(key, sampleRecord({ layers: 6 }));
  only.before = (_method, at) => (at.endsWith('/2') ? forever() : undefined);
  const store = tieredStore([{ store: only, deadlineMs: 20 }]);
  const seen: number[] = [];
  const read = async () => {
    for await (const { layers } of store.getLayers(key)) seen.push(layers.from);
  };
  await expect(read()).rejects.toMatchObject({ code: 'STORE' });
  expect(seen).toEqual([0, 1]);
  expect(await store.stats()).toMatchObject({ hits: 0, missesBy: { failed: 1 } });
});

test('an abort ends the reading of layers with its reason, and the tier hears of it', async () => {
  const slow = new StandIn();
  await slow.inner.put(key, sampleRecord({ layers: 6 }));
  let heard: unknown;
  slow.before = (_method, at, signal) => {
    signal?.addEventListener('abort', () => {
      heard = signal.reason;
    });
    return at.endsWith('/2') ? forever() : undefined;
  };
  const store = tieredStore([slow]);
  const controller = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => controller.abort(reason), 15);
  const read = readAll(store.getLayers(key, { signal: controller.signal }));
  await expect(read).rejects.toBe(reason);
  expect(heard).toBe(reason);
});
