import { expect, test } from '@jest/globals';
import { CostModel, memoryStore, tieredStore } from '../../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../../lib/testing/index.js';
import { sleep, StandIn } from './support.js';

const { kv } = sampleRecord();
const bytes = kv.data.byteLength;
const worthOf = (recomputeMs: number) => ({ worth: { recomputeMs, bytes } });

async function withRemote(loadMs: number) {
  const costs = new CostModel();
  for (let i = 0; i < 8; i++) costs.observeLoad('remote', bytes, loadMs);
  const remote = new StandIn();
  await remote.inner.put(sampleKey(1), sampleRecord());
  const tiers = [memoryStore({ maxBytes: 10 }), { store: remote, name: 'remote' }];
  return { costs, remote, store: tieredStore(tiers, { costs }) };
}

test('a tier is read where it is expected to be faster than computing', async () => {
  const { store, remote } = await withRemote(50);
  expect(await store.get(sampleKey(1), worthOf(51))).toBeDefined();
  expect(await store.get(sampleKey(1))).toBeDefined();
  expect(remote.count('get')).toBe(2);
});

test('a tier that is expected to be slower is not read', async () => {
  const { store, remote } = await withRemote(50);
  expect(await store.get(sampleKey(1), worthOf(30))).toBeUndefined();
  for await (const layer of store.getLayers(sampleKey(1), worthOf(30))) {
    throw new Error(`layer ${layer.layers.from}`);
  }
  expect(remote.calls).toEqual([]);
  expect((await store.stats()).missesBy).toEqual({ 'not-worth-it': 2 });
});

test('a tier of which little is known is read, and learnt from', async () => {
  const remote = new StandIn();
  await remote.inner.put(sampleKey(1), sampleRecord());
  remote.before = () => sleep(30);
  const store = tieredStore([memoryStore({ maxBytes: 10 }), { store: remote, name: 'remote' }]);
  for (let i = 0; i < 8; i++) {
    expect(await store.get(sampleKey(1), worthOf(5))).toBeDefined();
  }
  expect(store.costs.knownLoads('remote')).toBe(8);
  expect(store.costs.predictLoad('remote', bytes)).toBeGreaterThan(20);
  expect(await store.get(sampleKey(1), worthOf(5))).toBeUndefined();
  expect(await store.get(sampleKey(1), worthOf(500))).toBeDefined();
});

test('looking again costs a twentieth of what computing costs, and finds a tier that became fast', async () => {
  const { store, remote, costs } = await withRemote(30);
  let misses = 0;
  while (!(await store.get(sampleKey(1), worthOf(10)))) misses++;
  // 40 misses cost 400 ms of computing; one look costs up to 20 ms more than computing.
  expect([39, 40]).toContain(misses);
  expect(remote.count('get')).toBe(1);
  // It was fast, and that is believed at once.
  expect(costs.predictLoad('remote', bytes)).toBeLessThan(10);
  expect(await store.get(sampleKey(1), worthOf(10))).toBeDefined();
});

test('a look that is slow again changes nothing', async () => {
  const { store, remote } = await withRemote(30);
  remote.before = () => sleep(30);
  let hits = 0;
  for (let i = 0; i < 100; i++) if (await store.get(sampleKey(1), worthOf(10))) hits++;
  expect(hits).toBeGreaterThanOrEqual(1);
  expect(hits).toBeLessThanOrEqual(3);
});

test('a caller to whom it is worth more is not answered with the miss of another', async () => {
  const { store, remote } = await withRemote(50);
  const [little, much, any] = await Promise.all([
    store.get(sampleKey(1), worthOf(1)),
    store.get(sampleKey(1), worthOf(1000)),
    store.get(sampleKey(1)),
  ]);
  expect(little).toBeUndefined();
  expect(much).toBeDefined();
  expect(any).toBe(much);
  expect(remote.count('get')).toBe(1);
});
