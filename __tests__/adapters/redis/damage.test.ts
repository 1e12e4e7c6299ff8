import { expect } from '@jest/globals';
import { RecordWriter } from '../../../adapters/record/write-record.js';
import { type ChunkRecord, q8Codec } from '../../../lib/index.js';
import { sampleKey } from '../../../lib/testing/index.js';
import { keysOfStore } from '../../support/redis/client.js';
import { redisTest } from '../../support/redis/server.js';
import { sharedRedis } from '../../support/redis/shared.js';
import { openStore } from '../../support/redis/stores.js';
import { isSame } from '../../support/store/folders.js';
import { bytesOf, finiteRecord, flipped, largeRecord } from '../../support/store/records.js';

const redis = sharedRedis();
const key = sampleKey(1);
const record = finiteRecord({ tokens: 2, layers: 2, keyWidth: 4, valueWidth: 4 });

/** A store that has the record, and the name of it on the server. */
async function withRecord(options: Parameters<typeof openStore>[1] = {}) {
  const { store, events, prefix } = openStore(redis.server, options);
  await store.put(key, record);
  const name = (await keysOfStore(prefix, options)).record(key);
  return { store, events, prefix, name };
}

redisTest('any single bit that is turned over is found', async () => {
  const { store, name } = await withRecord();
  const good = await redis.behind.bytesOf(name);
  let found = 0;
  let tried = 0;
  for (let bit = 0; bit < 8 * good.byteLength; bit++) {
    await redis.behind.send('SET', name, Buffer.from(flipped(good, bit)));
    tried++;
    if ((await store.get(key)) === undefined) found++;
  }
  expect(found).toBe(tried);
  const { corrupt, missesBy } = await store.stats();
  expect(corrupt + (missesBy.format ?? 0)).toBe(tried);
  // Bits of the number of the version: those are left to whoever can read them.
  expect(missesBy.format ?? 0).toBeLessThanOrEqual(32);
});

redisTest('a record that is cut short anywhere is found', async () => {
  const { store, name } = await withRecord();
  const good = await redis.behind.bytesOf(name);
  for (let length = 1; length < good.byteLength; length++) {
    await redis.behind.send('SET', name, good.subarray(0, length));
    expect(await store.get(key)).toBeUndefined();
    // It is gone from the server.
    expect(await redis.behind.send('EXISTS', name)).toBe(0);
  }
  await redis.behind.send('SET', name, Buffer.concat([good, Buffer.alloc(64)]));
  expect(await store.get(key)).toBeUndefined();
  await redis.behind.send('SET', name, good);
  expect(isSame(await store.get(key), record)).toBe(true);
});

redisTest('damage in a large record is found wherever it is', async () => {
  const { store, prefix } = openStore(redis.server, { finite: false });
  const large = largeRecord({ layers: 12, tokens: 128, keyWidth: 512, valueWidth: 512 });
  const name = (await keysOfStore(prefix)).record(key);
  const good = Buffer.from(await bytesOf(key, large));
  for (let round = 0; round < 8; round++) {
    const at = Math.floor((good.byteLength * (round + 0.5)) / 8);
    await redis.behind.send('SET', name, Buffer.from(flipped(good, 8 * at + round)));
    expect(await store.get(key)).toBeUndefined();
  }
  expect((await store.stats()).corrupt).toBe(8);
});

redisTest(
  'damage is told of once, by one of those who find it, and the record is gone',
  async () => {
    const { store, events, prefix, name } = await withRecord();
    const other = openStore(redis.server, { prefix });
    const good = await redis.behind.bytesOf(name);
    await redis.behind.send('SET', name, Buffer.from(flipped(good, 8 * (good.byteLength - 20))));
    const gets = [store, other.store, store, other.store].map((one) => one.get(key));
    expect(await Promise.all(gets)).toEqual([undefined, undefined, undefined, undefined]);
    const corrupt = [...events, ...other.events].filter(({ type }) => type === 'corrupt');
    expect(corrupt).toHaveLength(1);
    expect(corrupt[0]).toMatchObject({ key, problem: expect.stringMatching(/checksum/) });
    const { records, bytes } = await store.stats();
    expect({ records, bytes }).toEqual({ records: 0, bytes: 0 });
  },
);

redisTest('layers before the damage are given, then an error', async () => {
  const { store, name } = await withRecord();
  const good = await redis.behind.bytesOf(name);
  await redis.behind.send('SET', name, Buffer.from(flipped(good, 8 * (good.byteLength - 20))));
  const seen: number[] = [];
  const reading = (async () => {
    for await (const { layers } of store.getLayers(key)) seen.push(layers.from);
  })();
  await expect(reading).rejects.toThrow(/rest of the record/);
  expect(seen).toEqual([0]);
  expect((await store.stats()).missesBy).toEqual({ corrupt: 1 });
});

redisTest('what is no record, of another key or not finite is refused and removed', async () => {
  const { store, events, name } = await withRecord({ maxRecordBytes: 100_000 });
  const infinite = finiteRecord(record.kv.layout);
  new DataView(infinite.kv.data.buffer, infinite.kv.data.byteOffset).setUint16(8, 0x7c00, true);
  const hostile: [unknown, RegExp][] = [
    [() => redis.behind.send('SET', name, 'no record'), /cut short/],
    [() => redis.behind.send('SET', name, Buffer.alloc(5000)), /no record/],
    [() => redis.behind.send('SETRANGE', name, 2 ** 28, 'x'), /bytes where 100000 are the most/],
    [() => redis.behind.send('RPUSH', name, 'a list'), /something else/],
    [() => redis.behind.send('HSET', name, 'a', 'hash'), /something else/],
    [async () => put(name, await bytesOf(sampleKey(2), record)), /another key/],
    [async () => put(name, await bytesOf(key, infinite)), /not finite/],
  ];
  for (const [plant, problem] of hostile as [() => Promise<unknown>, RegExp][]) {
    await redis.behind.send('DEL', name);
    await plant();
    events.length = 0;
    const before = process.memoryUsage().arrayBuffers;
    expect(await store.get(key)).toBeUndefined();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 25);
    expect(events).toContainEqual({
      store: 'redis',
      type: 'corrupt',
      key,
      problem: expect.stringMatching(problem),
    });
    expect(await redis.behind.send('EXISTS', name)).toBe(0);
    expect(await store.put(key, record)).toBe(true);
    expect(isSame(await store.get(key), record)).toBe(true);
  }
});

redisTest('a header that lies of lengths takes no memory', async () => {
  const { store, name } = await withRecord();
  const good = await redis.behind.bytesOf(name);
  for (const at of [8, 12, 16, 20, 24, 28, 32, 36]) {
    const lying = Buffer.from(good);
    lying.writeUInt32LE(0xffff_fff0, at);
    await redis.behind.send('SET', name, lying);
    const before = process.memoryUsage().arrayBuffers;
    expect(await store.get(key)).toBeUndefined();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 25);
  }
  expect((await store.stats()).corrupt).toBe(8);
});

redisTest(
  'a record of another version is a miss, and stays for those who can read it',
  async () => {
    const { store, name } = await withRecord();
    const other = Buffer.from(await redis.behind.bytesOf(name));
    other.writeUInt32LE(99, 4);
    await redis.behind.send('SET', name, other);
    expect(await store.get(key)).toBeUndefined();
    for await (const kv of store.getLayers(key)) throw new Error(`a layer of it: ${kv}`);
    const { missesBy, corrupt } = await store.stats();
    expect({ missesBy, corrupt }).toEqual({ missesBy: { format: 2 }, corrupt: 0 });
    expect(await redis.behind.send('EXISTS', name)).toBe(1);
  },
);

redisTest('a store that signs takes nothing that is not signed with its key', async () => {
  const signingKey = 'a secret of enough bytes';
  const { store, name } = await withRecord({ signingKey });
  expect(isSame(await store.get(key), record)).toBe(true);
  const forged: Uint8Array[] = [
    await bytesOf(key, record),
    await bytesOf(key, record, { signingKey: 'some other secret of enough bytes' }),
    await bytesOf(sampleKey(2), record, { signingKey }),
  ];
  for (const bytes of forged) {
    await put(name, bytes);
    expect(await store.get(key)).toBeUndefined();
  }
  expect((await store.stats()).corrupt).toBe(forged.length);
});

redisTest('records in another codec stay readable', async () => {
  const { prefix } = await withRecord();
  const codec = q8Codec();
  const { store } = openStore(redis.server, { prefix, codec });
  expect(isSame(await store.get(key), record)).toBe(true);
  await store.put(sampleKey(2), record);
  const found = (await store.get(sampleKey(2))) as ChunkRecord;
  expect(found.kv.data.byteLength).toBe(record.kv.data.byteLength);
  expect((await store.info(sampleKey(2)))?.codec).toBe(codec.name);
  const { store: plain } = openStore(redis.server, { prefix });
  expect(isSame(await plain.get(sampleKey(2)), found)).toBe(true);
});

redisTest(
  'a record that is replaced while it is read is neither torn nor taken for damaged',
  async () => {
    const { store, prefix, events } = openStore(redis.server, { finite: false });
    const { store: writer } = openStore(redis.server, { prefix });
    const shape = { layers: 10, tokens: 200, keyWidth: 512, valueWidth: 512 };
    const versions = [1, 2, 3].map((seed) => largeRecord({ seed, ...shape }));
    await writer.put(key, versions[0] as ChunkRecord);
    const state = { isWriting: true };
    const writing = (async () => {
      for (let i = 0; i < 25; i++) await writer.put(key, versions[i % 3] as ChunkRecord);
      state.isWriting = false;
    })();
    let reads = 0;
    while (state.isWriting) {
      const found = await store.get(key);
      if (!found) continue;
      reads++;
      expect(versions.some((version) => isSame(found, version))).toBe(true);
    }
    await writing;
    expect(reads).toBeGreaterThan(0);
    expect(events.filter(({ type }) => type === 'corrupt')).toEqual([]);
    expect(await store.has(key)).toBe(true);
  },
);

redisTest('records larger than the bound of one are refused, and counted', async () => {
  const { bytes } = new RecordWriter(key, record);
  const { store } = openStore(redis.server, { maxRecordBytes: bytes });
  const larger = finiteRecord({ tokens: 40 });
  expect(await store.put(key, record)).toBe(true);
  expect(await store.put(sampleKey(2), larger)).toBe(false);
  expect((await store.stats()).refused).toBe(1);
});

function put(name: string, bytes: Uint8Array): Promise<unknown> {
  return redis.behind.send('SET', name, Buffer.from(bytes));
}
