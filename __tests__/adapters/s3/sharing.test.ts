import { expect } from '@jest/globals';
import type { GetObjectCommandInput } from '@aws-sdk/client-s3';
import { sampleKey } from '../../../lib/testing/index.js';
import { s3Test, sharedS3 } from '../../support/s3/server.js';
import { namesIn, openStore, putObject } from '../../support/s3/stores.js';
import { isSame, keysOf } from '../../support/store/folders.js';
import { probeTimes } from '../../support/store/probes.js';
import { bytesOf, finiteRecord, largeRecord } from '../../support/store/records.js';

const s3 = sharedS3();
const key = sampleKey(1);
const record = finiteRecord();
const large = largeRecord({ layers: 24, tokens: 500, keyWidth: 512, valueWidth: 512 });

s3Test('tenants and labels see nothing of one another', async () => {
  const { store: mine, prefix } = openStore(s3.server, { tenant: 'alpaca', label: 'merino' });
  await mine.put(key, record);
  for (const access of [
    { tenant: 'guanaco', label: 'merino' },
    { tenant: 'alpaca', label: 'cashmere' },
    { tenant: 'alpaca' },
    {},
  ]) {
    const { store: other } = openStore(s3.server, { prefix, ...access });
    expect(await other.get(key)).toBeUndefined();
    expect(await other.has(key)).toBe(false);
    expect(await keysOf(other)).toEqual([]);
    expect(await other.delete(key)).toBe(false);
    expect(await other.lease(key, { ttlMs: 60_000 })).toBeDefined();
    await other.clear();
    expect((await other.stats()).records).toBe(0);
  }
  expect(isSame(await mine.get(key), record)).toBe(true);
  for (const name of await namesIn(s3.server, prefix)) {
    expect(name).not.toMatch(/alpaca|guanaco|merino|cashmere/);
  }
});

s3Test('names that are none of ours are no keys', async () => {
  const { store, nameOf } = openStore(s3.server);
  await store.put(key, record);
  const name = await nameOf(key);
  for (const other of ['x.kv', `${key}.kv`, `00/${key}x.kv`, `ff/${key}.kv`, '00/.kv']) {
    await putObject(s3.server, name.replace(/00\/.*/, other), await bytesOf(key, record));
  }
  expect(await keysOf(store)).toEqual([key]);
  expect((await store.stats()).records).toBe(1);
});

s3Test(
  'a probe for what another tenant has takes as long as one for what nobody has',
  async () => {
    const { store: theirs, prefix } = openStore(s3.server, { tenant: 'theirs', finite: false });
    const { store: mine } = openStore(s3.server, { prefix, tenant: 'mine', finite: false });
    const soak = process.env['CHUNKWEAVE_SOAK'] !== undefined;
    const { own, least, seen } = await probeTimes(mine, theirs, soak ? 1000 : 60);
    // It would be seen: asking for what is there takes longer. A get does not, in this server; a few probes are too few.
    if (soak) expect(own.has).toBeGreaterThan(3);
    // A delay stands in for a difference.
    for (const share of Object.values(least)) expect(share).toBeLessThan(soak ? 0.5 : 3);
    expect(seen).toEqual([]);
  },
  600_000,
);

s3Test('a layer is read alone, without the rest of its record', async () => {
  const ranges: string[] = [];
  const client = {
    send(command: { input: GetObjectCommandInput }, options: object) {
      if (command.input.Range) ranges.push(command.input.Range);
      return s3.server.client.send(command as never, options);
    },
  };
  const { store } = openStore(s3.server, { client: client as never, finite: false });
  await store.put(key, large);
  ranges.length = 0;
  let bytes = 0;
  for await (const { data } of store.getLayers(key, { layers: { from: 20, to: 21 } })) {
    bytes += data.byteLength;
  }
  expect(bytes).toBe(large.kv.data.byteLength / 24);
  const asked = ranges.map((range) => {
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(range)!;
    return Number(to) - Number(from) + 1;
  });
  // The preamble's guess and the layer.
  expect(asked.reduce((sum, length) => sum + length, 0)).toBeLessThan(bytes + 70_000);
  expect(ranges).toHaveLength(2);
});

s3Test('a record that is replaced while it is read is read again, and never mixed', async () => {
  let replaced = 0;
  const second = largeRecord({ layers: 24, tokens: 500, keyWidth: 512, valueWidth: 512, seed: 2 });
  const bytes = await bytesOf(key, second);
  let name = '';
  const client = {
    async send(command: { input: GetObjectCommandInput }, options: object) {
      const { Range = '' } = command.input;
      // Before the first piece behind the head.
      if (Range !== '' && !Range.startsWith('bytes=0-') && replaced++ === 0) {
        await putObject(s3.server, name, bytes);
      }
      return s3.server.client.send(command as never, options);
    },
  };
  const { store, nameOf } = openStore(s3.server, { client: client as never, finite: false });
  name = await nameOf(key);
  await store.put(key, large);
  expect(isSame(await store.get(key), second)).toBe(true);
  expect(replaced).toBeGreaterThan(1);
  expect(await store.stats()).toMatchObject({ hits: 1, misses: 0, corrupt: 0 });
});

s3Test('a lease is had by one at a time, and ends by itself', async () => {
  const { store, prefix } = openStore(s3.server);
  const { store: other } = openStore(s3.server, { prefix });
  const all = await Promise.all(
    Array.from({ length: 6 }, (_, i) => (i % 2 ? store : other).lease(key, { ttlMs: 60_000 })),
  );
  const [lease, ...more] = all.filter(Boolean);
  expect(more).toEqual([]);
  expect(await other.lease(key, { ttlMs: 1000 })).toBeUndefined();
  await lease!.release();
  await using short = await other.lease(key, { ttlMs: 100 });
  expect(short).toBeDefined();
  await new Promise((resolve) => setTimeout(resolve, 150));
  await using taken = await store.lease(key, { ttlMs: 60_000 });
  expect(taken).toBeDefined();
  // Its time was over: the one who has it now keeps it.
  await short!.release();
  expect(await other.lease(key, { ttlMs: 1000 })).toBeUndefined();
});

s3Test('records that are over are misses, and go', async () => {
  const { store, events, prefix } = openStore(s3.server, { ttlMs: 3000 });
  const young = { ...record, created: Date.now() - 1500 };
  expect(await store.put(key, young)).toBe(true);
  expect(await store.put(sampleKey(2), { ...record, created: Date.now() - 5000 })).toBe(false);
  expect(await store.has(key)).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 1600));
  expect(await store.get(key)).toBeUndefined();
  expect(events.filter(({ type }) => type === 'evict')).toMatchObject([{ reason: 'expired' }]);
  expect(await namesIn(s3.server, prefix)).toEqual([]);
});

s3Test('many gets and puts at once, from two stores', async () => {
  const { store, prefix } = openStore(s3.server);
  const { store: other } = openStore(s3.server, { prefix });
  const records = Array.from({ length: 5 }, (_, seed) => finiteRecord({ seed, tokens: 4 + seed }));
  await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const one = i % 2 ? store : other;
      const number = i % 5;
      if (i % 4 === 0) await one.put(sampleKey(number), records[number]!);
      const found = await one.get(sampleKey(number));
      expect(found === undefined || isSame(found, records[number]!)).toBe(true);
    }),
  );
  expect((await store.stats()).corrupt + (await other.stats()).corrupt).toBe(0);
  expect(await keysOf(store)).toHaveLength(5);
  expect(await namesIn(s3.server, `${prefix}/`)).toHaveLength(5);
});
