import { expect } from '@jest/globals';
import { sampleKey } from '../../../lib/testing/index.js';
import { accessTo } from '../../support/redis/client.js';
import { redisTest, startRedis } from '../../support/redis/server.js';
import { sharedRedis } from '../../support/redis/shared.js';
import { openStore, until } from '../../support/redis/stores.js';
import { isSame, keysOf } from '../../support/store/folders.js';
import { probeTimes } from '../../support/store/probes.js';
import { finiteRecord } from '../../support/store/records.js';

const redis = sharedRedis();

const key = sampleKey(1);
const record = finiteRecord();

redisTest('tenants and labels see nothing of one another', async () => {
  const { store: mine, prefix } = openStore(redis.server, { tenant: 'alpaca', label: 'merino' });
  await mine.put(key, record);
  const others = [
    { tenant: 'guanaco', label: 'merino' },
    { tenant: 'alpaca', label: 'cashmere' },
    { tenant: 'alpaca' },
    {},
  ].map((access) => openStore(redis.server, { prefix, ...access }).store);
  for (const other of others) {
    expect(await other.get(key)).toBeUndefined();
    expect(await other.has(key)).toBe(false);
    expect(await other.info(key)).toBeUndefined();
    expect(await keysOf(other)).toEqual([]);
    expect(await other.delete(key)).toBe(false);
    const lease = await other.lease(key, { ttlMs: 60_000 });
    expect(lease).toBeDefined();
    await other.clear();
    expect((await other.stats()).records).toBe(0);
  }
  expect(isSame(await mine.get(key), record)).toBe(true);
  // Nothing that a user wrote stands in a name.
  const names = (await redis.behind.names()).filter((name) => name.startsWith(prefix));
  expect(names.length).toBeGreaterThan(4);
  for (const name of names) expect(name).not.toMatch(/alpaca|guanaco|merino|cashmere/);
});

redisTest(
  'a probe for what another tenant has takes as long as one for what nobody has',
  async () => {
    const { store: theirs, prefix } = openStore(redis.server, { tenant: 'theirs', finite: false });
    const { store: mine } = openStore(redis.server, { prefix, tenant: 'mine', finite: false });
    const { own, least, seen } = await probeTimes(mine, theirs);
    // It would be seen: what is there does take longer to read.
    expect(own.get).toBeGreaterThan(10);
    expect(own.info).toBeGreaterThan(4);
    // The server looks for what is there and for what is not in the same time, so a delay stands in for a difference.
    for (const share of Object.values(least)) expect(share).toBeLessThan(0.5);
    expect(seen).toEqual([]);
  },
);

redisTest('all of a tenant’s names are on one node of a cluster', async () => {
  const node = await startRedis('--cluster-enabled', 'yes');
  const behind = await accessTo(node);
  await behind.send('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
  await until(async () => String(await behind.send('CLUSTER', 'INFO')).includes('state:ok'));
  const { store, prefix } = openStore(node, { maxBytes: 10_000 });
  for (let i = 0; i < 20; i++) expect(await store.put(sampleKey(i), record)).toBe(true);
  expect((await store.stats()).evictionsBy.space).toBeGreaterThan(5);
  expect(isSame(await store.get(sampleKey(19)), record)).toBe(true);
  await store.lease(key, { ttlMs: 1000 });
  const names = (await behind.names()).filter((name) => name.startsWith(prefix));
  const slots = await Promise.all(names.map((name) => behind.send('CLUSTER', 'KEYSLOT', name)));
  expect(names.length).toBeGreaterThan(8);
  expect(new Set(slots).size).toBe(1);
});
