import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from '@jest/globals';
import { sampleKey } from '../../../lib/testing/index.js';
import { keysOfStore } from '../../support/redis/client.js';
import { redisTest, startRedis } from '../../support/redis/server.js';
import { sharedRedis } from '../../support/redis/shared.js';
import { openStore, until } from '../../support/redis/stores.js';
import { isSame, keysOf, tick } from '../../support/store/folders.js';
import { finiteRecord, hashedKey, largeRecord } from '../../support/store/records.js';

const redis = sharedRedis();
const key = sampleKey(1);
const record = finiteRecord();

redisTest('what one store puts another one finds, lists, evicts and deletes', async () => {
  const { store: first, prefix } = openStore(redis.server);
  const { store: second } = openStore(redis.server, { prefix });
  await first.put(key, record);
  expect(isSame(await second.get(key), record)).toBe(true);
  expect(await keysOf(second)).toEqual([key]);
  expect((await first.info(key))?.hits).toBe(1);
  expect(await second.delete(key)).toBe(true);
  expect(await first.get(key)).toBeUndefined();
  expect((await first.stats()).bytes).toBe(0);
});

redisTest('the bound holds among many writers, and the least recently used go first', async () => {
  const { store: probe, prefix } = openStore(redis.server);
  await probe.put(key, record);
  const { bytes } = await probe.stats();
  const maxBytes = Math.floor(10.5 * bytes);
  const writers = Array.from({ length: 4 }, () => openStore(redis.server, { prefix, maxBytes }));
  await Promise.all(
    writers.map(async ({ store }, writer) => {
      for (let i = 0; i < 40; i++) {
        const put = store.put(hashedKey(100 * writer + i), finiteRecord({ seed: i }));
        // The one that all of them use.
        await store.get(key);
        expect(await put).toBe(true);
        expect((await store.stats()).bytes).toBeLessThanOrEqual(maxBytes);
      }
    }),
  );
  const stats = await Promise.all(writers.map(({ store }) => store.stats()));
  expect(stats[0]?.records).toBe(10);
  const evictions = stats.reduce((sum, { evictionsBy }) => sum + (evictionsBy.space ?? 0), 0);
  expect(evictions).toBe(1 + 4 * 40 - 10);
  expect(await probe.has(key)).toBe(true);
  // What the index says is what is there.
  const { records } = await keysOfStore(prefix);
  const names = (await redis.behind.names()).filter((name) => name.startsWith(records));
  const lengths = await Promise.all(names.map((name) => redis.behind.send('STRLEN', name)));
  expect(names).toHaveLength(10);
  expect(lengths.reduce<number>((sum, length) => sum + Number(length), 0)).toBe(stats[0]?.bytes);
});

redisTest('processes share a server: nothing is torn, and the bound holds', async () => {
  const { prefix, store } = openStore(redis.server);
  const maxBytes = 40_000;
  const jobs = [1, 2, 3].map((seed) => ({
    store: { url: redis.server.url, prefix, maxBytes },
    shape: { tokens: 40 },
    records: 24,
    milliseconds: 2500,
    seed,
  }));
  const worker = join(import.meta.dirname, '../../support/redis/worker.mjs');
  const runs = await Promise.all(
    jobs.map(async (job) => {
      const { stdout } = await promisify(execFile)(process.execPath, [worker, JSON.stringify(job)]);
      return JSON.parse(stdout) as Record<string, number>;
    }),
  );
  for (const run of runs) {
    expect(run).toMatchObject({ torn: 0, refused: 0, corrupt: 0 });
    expect(run['hits']).toBeGreaterThan(0);
    expect(run['puts']).toBeGreaterThan(10);
    expect(run['mostBytes']).toBeLessThanOrEqual(maxBytes);
    expect(run['mostBytes']).toBeGreaterThan(0.5 * maxBytes);
  }
  expect((await store.stats()).records).toBeGreaterThan(0);
});

redisTest('a record lives as long as it is told to, on the server as well', async () => {
  const { store, prefix, events } = openStore(redis.server, { ttlMs: 400 });
  const fresh = { ...record, created: Date.now() };
  expect(await store.put(key, fresh)).toBe(true);
  expect(isSame(await store.get(key), fresh)).toBe(true);
  const name = (await keysOfStore(prefix)).record(key);
  const life = Number(await redis.behind.send('PTTL', name));
  expect(life).toBeGreaterThan(0);
  expect(life).toBeLessThanOrEqual(400);
  // One that is over already is not kept.
  expect(await store.put(sampleKey(2), record)).toBe(false);
  await tick(450);
  expect(await store.get(key)).toBeUndefined();
  expect(await redis.behind.send('EXISTS', name)).toBe(0);
  expect(await keysOf(store)).toEqual([]);
  expect((await store.stats()).bytes).toBe(0);
  // Who puts next counts those that the server removed.
  await store.put(sampleKey(3), { ...record, created: Date.now() });
  await tick(450);
  await store.put(sampleKey(4), { ...record, created: Date.now() });
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'evict', key: sampleKey(3), reason: 'expired' }),
  );
});

redisTest('a shorter time to live counts for records of those who gave a longer one', async () => {
  const { store: writer, prefix } = openStore(redis.server);
  await writer.put(key, { ...record, created: Date.now() - 10_000 });
  await writer.put(sampleKey(2), { ...record, created: Date.now() });
  const { store } = openStore(redis.server, { prefix, ttlMs: 5000 });
  expect(await store.has(key)).toBe(false);
  expect(await store.get(key)).toBeUndefined();
  expect(await store.has(sampleKey(2))).toBe(true);
  expect((await store.stats()).evictionsBy).toEqual({ expired: 1 });
  expect(await keysOf(writer)).toEqual([sampleKey(2)]);
});

redisTest('a put after another one with a time to live outlasts it', async () => {
  const { store: short, prefix } = openStore(redis.server, { ttlMs: 200 });
  const { store } = openStore(redis.server, { prefix });
  await short.put(key, { ...record, created: Date.now() });
  await store.put(key, record);
  await tick(250);
  await store.put(sampleKey(2), record);
  expect(isSame(await store.get(key), record)).toBe(true);
});

redisTest('records that the server let go by itself are forgotten', async () => {
  const { store, prefix } = openStore(redis.server);
  const keys = await keysOfStore(prefix);
  for (let i = 0; i < 6; i++) await store.put(sampleKey(i), finiteRecord({ seed: i }));
  const { bytes } = await store.stats();
  await redis.behind.send('DEL', keys.record(sampleKey(0)), keys.record(sampleKey(1)));
  expect(await store.get(sampleKey(0))).toBeUndefined();
  expect((await keysOf(store)).length).toBe(4);
  const stats = await store.stats();
  expect(stats.records).toBe(4);
  expect(stats.bytes).toBeLessThan(bytes);
  // Eviction passes over those that are gone already, and counts none of them.
  await redis.behind.send('DEL', keys.record(sampleKey(2)));
  const { store: small } = openStore(redis.server, {
    prefix,
    maxBytes: Math.floor(stats.bytes * 0.8),
  });
  await small.put(sampleKey(9), record);
  expect((await small.stats()).evictionsBy).toEqual({ space: 1 });
});

redisTest('an index of which the server let a part go is filled again', async () => {
  const { store, prefix } = openStore(redis.server, { prefix: 'odd[*]?name' });
  const keys = await keysOfStore(prefix);
  for (let i = 0; i < 5; i++) await store.put(sampleKey(i), finiteRecord({ seed: i }));
  await store.delete(sampleKey(4));
  const before = await store.stats();
  const all = await keysOf(store);
  expect(all).toHaveLength(4);
  for (const lost of [...keys.index.map((name) => [name]), [...keys.index]]) {
    await redis.behind.send('DEL', ...lost);
    expect(await keysOf(store)).toEqual(all);
    const { records, bytes } = await store.stats();
    expect({ records, bytes }).toEqual({ records: before.records, bytes: before.bytes });
  }
  // A put finds it out as well, and nobody waits.
  await redis.behind.send('DEL', ...keys.index);
  const { store: other } = openStore(redis.server, { prefix });
  await other.put(sampleKey(7), record);
  await until(async () => Number(await redis.behind.send('HLEN', keys.index[2] ?? '')) === 7);
  await store.clear();
  expect((await redis.behind.names()).filter((name) => name.startsWith(keys.records))).toEqual([]);
});

redisTest('several who find the index lost at once all list everything', async () => {
  const { store, prefix } = openStore(redis.server);
  const keys = await keysOfStore(prefix);
  for (let i = 0; i < 300; i++) await store.put(hashedKey(i), record);
  const all = await keysOf(store);
  const others = [1, 2, 3].map(() => openStore(redis.server, { prefix }).store);
  for (let round = 0; round < 5; round++) {
    await redis.behind.send('DEL', ...keys.index);
    const puts = others.map((other, i) => other.put(hashedKey(i), record));
    for (const listed of await Promise.all([store, ...others].map(keysOf))) {
      expect(listed).toEqual(all);
    }
    await Promise.all(puts);
    expect((await store.stats()).records).toBe(300);
  }
});

redisTest('a server that evicts whatever it likes gets by', async () => {
  const small = await startRedis('--maxmemory', '6mb', '--maxmemory-policy', 'allkeys-random');
  const { store } = openStore(small, { finite: false });
  let kept = 0;
  for (let i = 0; i < 120; i++) {
    if (await store.put(hashedKey(i), largeRecord({ seed: i, tokens: 3000 }))) kept++;
    const found = await store.get(hashedKey(i - 3));
    expect(found === undefined || isSame(found, largeRecord({ seed: i - 3, tokens: 3000 }))).toBe(
      true,
    );
  }
  expect(kept).toBeGreaterThan(60);
  const { corrupt, records } = await store.stats();
  expect(corrupt).toBe(0);
  expect((await keysOf(store)).length).toBeGreaterThanOrEqual(records - 20);
});

redisTest(
  'leases keep others away until they are released or over, also those of the dead',
  async () => {
    const { store, prefix } = openStore(redis.server);
    const { store: other } = openStore(redis.server, { prefix });
    const lease = await store.lease(key, { ttlMs: 60_000 });
    expect(lease).toBeDefined();
    expect(await other.lease(key, { ttlMs: 60_000 })).toBeUndefined();
    expect(await other.lease(sampleKey(2), { ttlMs: 60_000 })).toBeDefined();
    await lease?.release();
    const second = await other.lease(key, { ttlMs: 150 });
    expect(second).toBeDefined();
    expect(await store.lease(key, { ttlMs: 60_000 })).toBeUndefined();
    await tick(200);
    // Its holder did not release it in time.
    const third = await store.lease(key, { ttlMs: 60_000 });
    expect(third).toBeDefined();
    await second?.release();
    expect(await other.lease(key, { ttlMs: 60_000 })).toBeUndefined();
    // Closing gives back what is held.
    await store.close();
    expect(await other.lease(key, { ttlMs: 60_000 })).toBeDefined();
    for (const ttlMs of [0, -1, Number.NaN, Infinity]) {
      await expect(other.lease(key, { ttlMs })).rejects.toThrow(/ttlMs/);
    }
  },
);

redisTest('many gets at once, of one record and of several', async () => {
  const { store } = openStore(redis.server, { finite: false });
  const records = Array.from({ length: 5 }, (_, seed) => largeRecord({ seed, tokens: 20_000 }));
  for (const [i, one] of records.entries()) await store.put(hashedKey(i), one);
  const gets = Array.from({ length: 40 }, async (_, i) => {
    const number = i < 20 ? 0 : i % records.length;
    return isSame(await store.get(hashedKey(number)), records[number] ?? record);
  });
  expect(await Promise.all(gets)).toEqual(gets.map(() => true));
  expect((await store.stats()).hits).toBe(40);
});

redisTest('layers are read alone: no more bytes than they have, and the preamble', async () => {
  const { store } = openStore(redis.server, { finite: false });
  const large = largeRecord({ layers: 16, tokens: 256, keyWidth: 512, valueWidth: 512 });
  await store.put(key, large);
  await store.stats();
  const layer = large.kv.data.byteLength / 16;
  const before = await redis.behind.told('total_net_output_bytes');
  const seen: number[] = [];
  for await (const kv of store.getLayers(key, { layers: { from: 5, to: 7 } })) {
    seen.push(kv.layers.from);
    expect(kv.data.byteLength).toBe(layer);
  }
  const read = (await redis.behind.told('total_net_output_bytes')) - before;
  expect(seen).toEqual([5, 6]);
  expect(read).toBeGreaterThanOrEqual(2 * layer);
  expect(read).toBeLessThan(2 * layer + 2 ** 16 + 20_000);
  expect((await store.stats()).hits).toBe(1);
});

redisTest('scripts that the server forgot are sent again', async () => {
  const { store } = openStore(redis.server);
  await store.put(key, record);
  await redis.behind.send('SCRIPT', 'FLUSH');
  expect(await store.put(sampleKey(2), record)).toBe(true);
  expect(isSame(await store.get(key), record)).toBe(true);
  await redis.behind.send('SCRIPT', 'FLUSH');
  expect((await store.info(key))?.hits).toBe(1);
  expect(await store.delete(key)).toBe(true);
});

redisTest('variants of a chunk are found without looking at others', async () => {
  const { store } = openStore(redis.server);
  for (let i = 0; i < 600; i++) await store.put(sampleKey(i), record);
  for (const variant of [1, 2, 3]) await store.put(sampleKey(300, variant), record);
  const calls = await redis.behind.told('total_commands_processed');
  const found: string[] = [];
  for await (const one of store.list({ chunk: sampleKey(300) })) found.push(one);
  expect(found).toEqual([sampleKey(300), ...[1, 2, 3].map((v) => sampleKey(300, v))]);
  expect((await redis.behind.told('total_commands_processed')) - calls).toBeLessThan(20);
  expect(await keysOf(store)).toHaveLength(603);
  await store.clear();
  expect(await keysOf(store)).toEqual([]);
});
