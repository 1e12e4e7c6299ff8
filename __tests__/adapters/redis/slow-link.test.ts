import { expect } from '@jest/globals';
import { CostModel, memoryStore, tieredStore } from '../../../lib/index.js';
import { sampleKey } from '../../../lib/testing/index.js';
import { redisTest } from '../../support/redis/server.js';
import { sharedRedis } from '../../support/redis/shared.js';
import { openStore, until } from '../../support/redis/stores.js';
import { slowLink } from '../../support/slow-link.js';
import { isSame } from '../../support/store/folders.js';
import { finiteRecord, largeRecord } from '../../support/store/records.js';

const redis = sharedRedis();
const key = sampleKey(1);
const small = finiteRecord();
/** 3 MB: 30 seconds at the trickle below. */
const large = largeRecord({ layers: 12, tokens: 250, keyWidth: 256, valueWidth: 256 });
const trickle = { bytesPerSecond: 100_000 };
const urlOf = (port: number) => ({ url: `redis://127.0.0.1:${port}` });

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

redisTest('the link itself: bytes come whole, and as late as they should', async () => {
  const link = await slowLink(redis.server.port);
  const { store } = openStore(urlOf(link.port), { finite: false, timeoutMs: 20_000 });
  expect(await store.put(key, large)).toBe(true);
  expect(isSame(await store.get(key), large)).toBe(true);
  link.change({ latencyMs: 100 });
  // There and back.
  expect(await msOf(() => store.has(key))).toBeGreaterThan(190);
  link.change({ bytesPerSecond: 2_000_000 });
  expect(
    await msOf(async () => expect(isSame(await store.get(key), large)).toBe(true)),
  ).toBeGreaterThan(1200);
});

redisTest(
  'a server that trickles is late at the store’s own deadline, and good again after',
  async () => {
    const link = await slowLink(redis.server.port);
    const { store } = openStore(urlOf(link.port), { finite: false, timeoutMs: 400 });
    await until(() => store.put(key, large));
    link.change(trickle);
    const ms = await msOf(async () => expect(await store.get(key)).toBeUndefined());
    expect(ms).toBeGreaterThan(350);
    expect(ms).toBeLessThan(5000);
    expect((await store.stats()).missesBy).toEqual({ late: 1 });
    link.change({});
    await until(async () => isSame(await store.get(key), large));
  },
);

redisTest(
  'a tier that trickles ends at its deadline, and is left alone after some failures',
  async () => {
    const link = await slowLink(redis.server.port);
    const { store: remote } = openStore(urlOf(link.port), { finite: false, timeoutMs: 20_000 });
    await until(() => remote.put(key, large));
    link.change(trickle);
    const store = tieredStore([
      memoryStore(),
      {
        store: remote,
        name: 'remote',
        deadlineMs: 200,
        circuit: { failures: 2, coolDownMs: 60_000 },
      },
    ]);
    for (let call = 0; call < 2; call++) {
      const ms = await msOf(async () => expect(await store.get(key)).toBeUndefined());
      expect(ms).toBeGreaterThan(150);
      expect(ms).toBeLessThan(5000);
    }
    // It is not waited for any more.
    const ms = await msOf(async () => expect(await store.get(key)).toBeUndefined());
    expect(ms).toBeLessThan(100);
    expect((await store.stats()).missesBy).toEqual({ late: 2, failed: 1 });
    expect(await store.put(sampleKey(2), small)).toBe(true);
    expect(isSame(await store.get(sampleKey(2)), small)).toBe(true);
    link.change({});
    await store.close();
  },
);

redisTest(
  'layers that trickle end with an error at the deadline, not at the end of the link',
  async () => {
    const link = await slowLink(redis.server.port);
    const { store } = openStore(urlOf(link.port), { finite: false, timeoutMs: 400 });
    await until(() => store.put(key, large));
    link.change(trickle);
    const layers: number[] = [];
    const ms = await msOf(async () => {
      try {
        for await (const kv of store.getLayers(key)) layers.push(kv.layers.from);
      } catch (error) {
        expect(String(error)).toMatch(/cannot be read/);
      }
    });
    expect(layers.length).toBeLessThan(12);
    expect(ms).toBeLessThan(10_000);
  },
);

redisTest(
  'a tier that is far away is read while that pays, and left out where computing is faster',
  async () => {
    const link = await slowLink(redis.server.port);
    const { store: remote } = openStore(urlOf(link.port), { finite: false });
    const costs = new CostModel();
    const store = tieredStore([memoryStore({ maxBytes: 10 }), { store: remote, name: 'remote' }], {
      costs,
    });
    await until(() => remote.put(key, small));
    link.change({ latencyMs: 40 });
    const worth = (recomputeMs: number) => ({
      worth: { recomputeMs, bytes: small.kv.data.byteLength },
    });
    // Eight loads are what it takes to know.
    for (let load = 0; load < 8; load++) {
      expect(isSame(await store.get(key, worth(10)), small)).toBe(true);
    }
    expect(costs.predictLoad('remote', small.kv.data.byteLength)).toBeGreaterThan(70);
    const ms = await msOf(async () => expect(await store.get(key, worth(10))).toBeUndefined());
    expect(ms).toBeLessThan(60);
    expect((await store.stats()).missesBy).toEqual({ 'not-worth-it': 1 });
    expect(isSame(await store.get(key, worth(5000)), small)).toBe(true);
    await store.close();
  },
);
