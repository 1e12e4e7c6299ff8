import { expect, test } from '@jest/globals';
import { createClient } from 'redis';
import { redisStore } from '../../../adapters/redis/index.js';
import { InvalidArgumentError, memoryStore, StoreError, tieredStore } from '../../../lib/index.js';
import { sampleKey } from '../../../lib/testing/index.js';
import { accessTo } from '../../support/redis/client.js';
import { freePort } from '../../support/free-port.js';
import { redisTest, startRedis } from '../../support/redis/server.js';
import { openStore, until } from '../../support/redis/stores.js';
import { isSame } from '../../support/store/folders.js';
import { finiteRecord, largeRecord } from '../../support/store/records.js';

const key = sampleKey(1);
const record = finiteRecord();
/** Large enough that a call on it can be interrupted. */
const large = largeRecord({ layers: 24, tokens: 500, keyWidth: 512, valueWidth: 512 });

test('a server that was never there is a miss at once, again and again', async () => {
  const { store, events } = openStore({ url: `redis://127.0.0.1:${await freePort()}` });
  const start = performance.now();
  for (let call = 0; call < 20; call++) expect(await store.get(key)).toBeUndefined();
  for await (const kv of store.getLayers(key)) throw new Error(`a layer of nothing: ${kv}`);
  expect(performance.now() - start).toBeLessThan(1500);
  expect(await store.put(key, record)).toBe(false);
  expect(await store.has(key)).toBe(false);
  expect(await store.info(key)).toBeUndefined();
  const { missesBy, refused, records } = await store.stats();
  expect({ missesBy, refused, records }).toEqual({
    missesBy: { failed: 21 },
    refused: 1,
    records: 0,
  });
  expect(events.filter(({ type }) => type === 'miss')).toHaveLength(21);
  await expect(store.delete(key)).rejects.toThrow(/cannot be removed: .*ECONNREFUSED/);
  await expect(store.clear()).rejects.toThrow(StoreError);
  await expect(store.list()[Symbol.asyncIterator]().next()).rejects.toThrow(StoreError);
});

test('with nobody to agree with, everyone gets a lease', async () => {
  const { store } = openStore({ url: `redis://127.0.0.1:${await freePort()}` });
  const leases = [await store.lease(key, { ttlMs: 1000 }), await store.lease(key, { ttlMs: 1000 })];
  for (const lease of leases) await lease?.release();
  expect(leases.every(Boolean)).toBe(true);
});

redisTest('a server that comes later is used as soon as it is there', async () => {
  const server = await startRedis();
  await server.kill();
  const { store } = openStore(server);
  expect(await store.put(key, record)).toBe(false);
  await server.restart();
  await until(() => store.put(key, record));
  expect(isSame(await store.get(key), record)).toBe(true);
});

redisTest(
  'a server that is killed and started again is a miss between, and nothing throws',
  async () => {
    const server = await startRedis();
    const { store } = openStore(server);
    expect(await store.put(key, record)).toBe(true);
    await server.kill();
    const start = performance.now();
    expect(await store.get(key)).toBeUndefined();
    expect(await store.put(key, record)).toBe(false);
    expect(performance.now() - start).toBeLessThan(1000);
    await server.restart();
    await until(async () => (await store.get(key), (await store.stats()).missesBy.absent === 1));
    expect(await store.put(key, record)).toBe(true);
    expect(isSame(await store.get(key), record)).toBe(true);
  },
);

redisTest('a server that is killed in the middle of a load is a miss', async () => {
  const server = await startRedis();
  const { store } = openStore(server, { finite: false });
  for (let round = 0; round < 4; round++) {
    await until(() => store.put(key, large));
    const before = await store.stats();
    const gets = Array.from({ length: 3 }, () => store.get(key));
    await new Promise((resolve) => setTimeout(resolve, 3 + 7 * round));
    await server.kill();
    const found = await Promise.all(gets);
    for (const one of found) expect(one === undefined || isSame(one, large)).toBe(true);
    expect(found).toContain(undefined);
    const after = await store.stats();
    expect(after.missesBy.failed).toBeGreaterThan(before.missesBy.failed ?? 0);
    expect(after.corrupt).toBe(0);
    await server.restart();
  }
});

redisTest(
  'a server that is killed between two layers ends them with an error, not before',
  async () => {
    const server = await startRedis();
    const { store } = openStore(server, { finite: false });
    await store.put(key, large);
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { layers } of store.getLayers(key)) {
        seen.push(layers.from);
        if (layers.from === 1) await server.kill();
      }
    })();
    await expect(reading).rejects.toThrow(/rest of the record .* cannot be read/);
    expect(seen.slice(0, 2)).toEqual([0, 1]);
    expect(seen.length).toBeLessThan(large.kv.layout.layers);
    expect((await store.stats()).missesBy).toEqual({ failed: 1 });
  },
);

redisTest('a server that is killed in the middle of puts keeps no half record', async () => {
  const server = await startRedis();
  const { store } = openStore(server, { finite: false });
  for (let round = 0; round < 3; round++) {
    await until(() => store.put(sampleKey(99), record));
    const puts = [1, 2, 3].map((number) => store.put(sampleKey(number), large));
    await new Promise((resolve) => setTimeout(resolve, 10 + 20 * round));
    await server.kill();
    expect(await Promise.all(puts)).toContain(false);
    await server.restart();
  }
  await until(() => store.put(key, large));
  expect(isSame(await store.get(key), large)).toBe(true);
});

redisTest(
  'a server that hangs is late, for reads and writes, and is used again when it goes on',
  async () => {
    const server = await startRedis();
    const { store } = openStore(server, { timeoutMs: 300 });
    await store.put(key, record);
    server.freeze();
    try {
      const start = performance.now();
      expect(await store.get(key)).toBeUndefined();
      expect(await store.put(key, record)).toBe(false);
      for await (const kv of store.getLayers(key)) throw new Error(`a layer of nothing: ${kv}`);
      expect(await store.has(key)).toBe(false);
      const took = performance.now() - start;
      expect(took).toBeGreaterThan(1000);
      expect(took).toBeLessThan(2500);
      expect((await store.stats()).missesBy).toEqual({ late: 2 });
    } finally {
      server.thaw();
    }
    await until(async () => isSame(await store.get(key), record));
  },
);

redisTest('a deadline of a tiered store holds, and the answer comes from elsewhere', async () => {
  const server = await startRedis();
  const { store: remote } = openStore(server);
  await remote.put(key, record);
  const memory = memoryStore();
  const store = tieredStore([
    memory,
    { store: remote, name: 'redis', deadlineMs: 100, write: 'behind' },
  ]);
  server.freeze();
  try {
    const start = performance.now();
    expect(await store.get(key)).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(800);
    expect(await store.put(key, record)).toBe(true);
    expect(isSame(await store.get(key), record)).toBe(true);
    expect((await store.stats()).missesBy).toEqual({ late: 1 });
  } finally {
    server.thaw();
  }
  await store.close();
});

redisTest('an abort ends the wait for a server that hangs', async () => {
  const server = await startRedis();
  const { store } = openStore(server, { timeoutMs: 20_000 });
  await store.put(key, record);
  const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => store.get(key, { signal }),
    (signal) => store.getLayers(key, { signal })[Symbol.asyncIterator]().next(),
    (signal) => store.put(key, record, { signal }),
    (signal) => store.list({ signal })[Symbol.asyncIterator]().next(),
    (signal) => store.lease(key, { ttlMs: 1000, signal }),
  ];
  server.freeze();
  try {
    for (const call of calls) {
      const reason = new Error('enough');
      const controller = new AbortController();
      const ended = call(controller.signal);
      setTimeout(() => controller.abort(reason), 50);
      await expect(ended).rejects.toBe(reason);
    }
  } finally {
    server.thaw();
  }
  expect(isSame(await store.get(key), record)).toBe(true);
});

redisTest('a server without memory refuses puts, and what it holds stays', async () => {
  const server = await startRedis('--maxmemory', '4mb', '--maxmemory-policy', 'noeviction');
  const { store, events } = openStore(server, { finite: false });
  expect(await store.put(key, record)).toBe(true);
  expect(await store.put(sampleKey(2), large)).toBe(false);
  const more = Array.from({ length: 40 }, (_, i) => largeRecord({ seed: i, tokens: 5000 }));
  const kept: boolean[] = [];
  for (const [i, one] of more.entries()) kept.push(await store.put(sampleKey(10 + i), one));
  expect(kept).toContain(false);
  expect(events).toContainEqual(expect.objectContaining({ type: 'put', kept: false }));
  expect(isSame(await store.get(key), record)).toBe(true);
});

redisTest('a server that takes no writes still serves', async () => {
  const primary = await startRedis('--repl-diskless-sync-delay', '0');
  const { store: writer, prefix } = openStore(primary);
  await writer.put(key, record);
  const replica = await startRedis('--replicaof', '127.0.0.1', String(primary.port));
  const { store, events } = openStore(replica, { prefix });
  await until(async () => isSame(await store.get(key), record));
  expect(await store.put(sampleKey(2), record)).toBe(false);
  await expect(store.delete(key)).rejects.toThrow(/READONLY/);
  const behind = await accessTo(primary);
  const [name = ''] = (await behind.names()).filter((one) => one.includes('record:'));
  await behind.send('SETRANGE', name, 300, 'damage');
  await until(async () => (await store.get(key)) === undefined);
  await store.get(key);
  await store.get(key);
  // It cannot be removed there, but is told of once.
  expect(events.filter(({ type }) => type === 'corrupt')).toHaveLength(1);
});

redisTest('a client of the user is used as it is, and left open', async () => {
  const server = await startRedis();
  const client = createClient({ url: server.url });
  const { store } = openStore(server, { client, timeoutMs: 500 });
  // Not connected yet, so everything is a miss.
  expect(await store.get(key)).toBeUndefined();
  expect((await store.stats()).missesBy).toEqual({ failed: 1 });
  await client.connect();
  expect(await store.put(key, record)).toBe(true);
  expect(isSame(await store.get(key), record)).toBe(true);
  expect((await store.info(key))?.hits).toBe(1);
  await server.kill();
  await until(() => !client.isReady);
  expect(await store.get(key)).toBeUndefined();
  await server.restart();
  await until(() => client.isReady);
  await store.close();
  expect(await client.ping()).toBe('PONG');
  client.on('error', () => {});
  client.destroy();
});

redisTest('a user with the rights that the guide names is enough, and none without', async () => {
  const server = await startRedis();
  const behind = await accessTo(server);
  const rights = '~chunkweave:* +@read +@write +@scripting +@connection +time -@dangerous';
  await behind.send('ACL', 'SETUSER', 'weave', 'on', '>secret', ...rights.split(' '));
  await behind.send('ACL', 'SETUSER', 'default', 'off');
  const address = `127.0.0.1:${server.port}`;
  const { store, prefix } = openStore(
    { url: `redis://weave:secret@${address}` },
    { prefix: 'chunkweave', maxBytes: 10_000, ttlMs: 1e15 },
  );
  for (let i = 0; i < 12; i++) expect(await store.put(sampleKey(i), record)).toBe(true);
  expect(isSame(await store.get(sampleKey(11)), record)).toBe(true);
  expect((await store.info(sampleKey(11)))?.hits).toBe(1);
  const lease = await store.lease(key, { ttlMs: 60_000 });
  await lease?.release();
  expect(await store.lease(key, { ttlMs: 60_000 })).toBeDefined();
  expect(await store.delete(sampleKey(11))).toBe(true);
  await store.clear();
  expect((await store.stats()).records).toBe(0);

  const { store: stranger } = openStore({ url: `redis://${address}` }, { prefix });
  expect(await stranger.get(key)).toBeUndefined();
  expect(await stranger.put(key, record)).toBe(false);
  expect((await stranger.stats()).missesBy).toEqual({ failed: 1 });
});

test('options that cannot be are refused, and a password is not shown', () => {
  const wrong: Parameters<typeof redisStore>[0][] = [
    { url: 'http://localhost' },
    { url: 'redis://' },
    { url: 'redis://localhost/name' },
    { url: 'redis://me:secret@localhost/name' },
    { prefix: '' },
    { prefix: 'two words' },
    { prefix: 'nul\0' },
    { maxBytes: 0 },
    { maxRecordBytes: 2 ** 30 },
    { maxRecordBytes: Number.NaN },
    { timeoutMs: 0 },
    { timeoutMs: Infinity },
    { ttlMs: -1 },
    { signingKey: 'short' },
    { url: 'redis://localhost', client: createClient() },
  ];
  for (const options of wrong) {
    let message = '';
    try {
      redisStore(options);
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidArgumentError);
      message = (error as Error).message;
    }
    expect(message).toMatch(/give|leave/);
    expect(message).not.toContain('secret');
  }
});
