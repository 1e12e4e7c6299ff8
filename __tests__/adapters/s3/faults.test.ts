import { expect, test } from '@jest/globals';
import { s3Store } from '../../../adapters/s3/index.js';
import { folderStore } from '../../../adapters/fs/index.js';
import { InvalidArgumentError, memoryStore, StoreError, tieredStore } from '../../../lib/index.js';
import { sampleKey } from '../../../lib/testing/index.js';
import { freePort } from '../../support/free-port.js';
import { connectionTo, s3Test, startS3 } from '../../support/s3/server.js';
import { openStore } from '../../support/s3/stores.js';
import { isSame, newFolder } from '../../support/store/folders.js';
import { finiteRecord, largeRecord } from '../../support/store/records.js';

const key = sampleKey(1);
const record = finiteRecord();
const large = largeRecord({ layers: 24, tokens: 500, keyWidth: 512, valueWidth: 512 });

test('a server that was never there is a miss, again and again', async () => {
  const { store, events } = openStore({ connection: connectionTo(await freePort()) });
  for (let call = 0; call < 5; call++) expect(await store.get(key)).toBeUndefined();
  for await (const kv of store.getLayers(key)) throw new Error(`a layer of nothing: ${kv}`);
  expect(await store.put(key, record)).toBe(false);
  expect(await store.has(key)).toBe(false);
  expect(await store.info(key)).toBeUndefined();
  const { missesBy, refused, records } = await store.stats();
  expect({ missesBy, refused, records }).toEqual({
    missesBy: { failed: 6 },
    refused: 1,
    records: 0,
  });
  expect(events.filter(({ type }) => type === 'miss')).toHaveLength(6);
  await expect(store.delete(key)).rejects.toThrow(/cannot be removed: .*ECONNREFUSED/);
  await expect(store.clear()).rejects.toThrow(StoreError);
  await expect(store.list()[Symbol.asyncIterator]().next()).rejects.toThrow(StoreError);
  // With nobody to agree with, everyone may compute.
  const leases = [await store.lease(key, { ttlMs: 1000 }), await store.lease(key, { ttlMs: 1000 })];
  expect(leases.every(Boolean)).toBe(true);
});

s3Test('a bucket that is not there is a failure, not an empty one', async () => {
  const server = await startS3();
  const { store } = openStore(server, { bucket: 'nowhere' });
  expect(await store.get(key)).toBeUndefined();
  expect(await store.put(key, record)).toBe(false);
  expect((await store.stats()).missesBy).toEqual({ failed: 1 });
  await expect(store.list()[Symbol.asyncIterator]().next()).rejects.toThrow(/NoSuchBucket/);
});

s3Test(
  'a server that is killed and started again is a miss between, and nothing throws',
  async () => {
    const server = await startS3();
    const { store } = openStore(server, { finite: false });
    expect(await store.put(key, large)).toBe(true);
    const gets = Array.from({ length: 3 }, () => store.get(key));
    await new Promise((resolve) => setTimeout(resolve, 15));
    await server.kill();
    for (const found of await Promise.all(gets)) {
      expect(found === undefined || isSame(found, large)).toBe(true);
    }
    expect(await store.get(key)).toBeUndefined();
    expect(await store.put(key, record)).toBe(false);
    await server.restart();
    expect(await store.get(key)).toBeUndefined();
    expect(await store.put(key, record)).toBe(true);
    expect(isSame(await store.get(key), record)).toBe(true);
    const { missesBy, corrupt } = await store.stats();
    expect(missesBy.failed).toBeGreaterThan(0);
    expect(missesBy.absent).toBe(1);
    expect(corrupt).toBe(0);
  },
);

s3Test('a server that is killed between two layers ends them with an error', async () => {
  const server = await startS3();
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
});

s3Test('a server that does not answer is late, within the time that it was given', async () => {
  const server = await startS3();
  const { store } = openStore(server, { timeoutMs: 300 });
  await store.put(key, record);
  server.freeze();
  const start = performance.now();
  expect(await store.get(key)).toBeUndefined();
  expect(await store.put(key, record)).toBe(false);
  expect(performance.now() - start).toBeLessThan(2500);
  expect((await store.stats()).missesBy).toEqual({ late: 1 });
  server.thaw();
  expect(isSame(await store.get(key), record)).toBe(true);
});

s3Test('an abort ends a call at once, and the next one is served', async () => {
  const server = await startS3();
  const { store } = openStore(server);
  await store.put(key, record);
  server.freeze();
  const controller = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => controller.abort(reason), 50);
  const { signal } = controller;
  await expect(store.get(key, { signal })).rejects.toBe(reason);
  await expect(store.put(key, record, { signal })).rejects.toBe(reason);
  server.thaw();
  expect(isSame(await store.get(key), record)).toBe(true);
});

s3Test('behind memory and disk: read up, written behind, left alone while it is dead', async () => {
  const server = await startS3();
  const s3 = openStore(server);
  const states: string[] = [];
  const circuit = { failures: 2, coolDownMs: 200, maxCoolDownMs: 400 };
  const store = tieredStore(
    [
      memoryStore({ maxBytes: 1e6 }),
      folderStore({ directory: await newFolder() }),
      { store: s3.store, name: 's3', write: 'behind', deadlineMs: 1000, circuit },
    ],
    { onEvent: (event) => event.type === 'circuit' && states.push(event.state) },
  );
  // Put from elsewhere.
  const { store: elsewhere } = openStore(server, { prefix: s3.prefix });
  await elsewhere.put(key, record);
  expect(isSame(await store.get(key), record)).toBe(true);
  await store.flush();
  expect((await store.stats()).tiers!.map(({ records }) => records)).toEqual([1, 1, 1]);
  // Written behind.
  expect(await store.put(sampleKey(2), record)).toBe(true);
  await store.flush();
  expect(isSame(await elsewhere.get(sampleKey(2)), record)).toBe(true);

  // Dead: a miss at once. Hung: left alone after two deadlines.
  await server.kill();
  expect(await store.get(sampleKey(9))).toBeUndefined();
  await server.restart();
  server.freeze();
  for (let i = 10; i < 16; i++) expect(await store.get(sampleKey(i))).toBeUndefined();
  expect(states[0]).toBe('open');
  expect(isSame(await store.get(key), record)).toBe(true);

  server.thaw();
  await elsewhere.put(sampleKey(20), record);
  const end = performance.now() + 10_000;
  while (!(await store.get(sampleKey(20))) && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(isSame(await store.get(sampleKey(20)), record)).toBe(true);
  expect(states.at(-1)).toBe('closed');
  await store.close();
});

test.each([
  {},
  { bucket: '' },
  { bucket: 'kv', prefix: '/a' },
  { bucket: 'kv', prefix: 'a b' },
  { bucket: 'kv', prefix: 'a/' },
  { bucket: 'kv', timeoutMs: 0 },
  { bucket: 'kv', maxAttempts: 0.5 },
  { bucket: 'kv', maxRecordBytes: 2 ** 40 },
  { bucket: 'kv', ttlMs: -1 },
  { bucket: 'kv', signingKey: 'short' },
  { bucket: 'kv', tenant: 7 },
  { bucket: 'kv', client: { send: async () => undefined }, connection: {} },
])('options that cannot be are refused: %j', (options) => {
  expect(() => s3Store(options as never)).toThrow(InvalidArgumentError);
});
