import { expect } from '@jest/globals';
import { RecordWriter } from '../../../adapters/record/write-record.js';
import { type ChunkRecord, q8Codec } from '../../../lib/index.js';
import { recordFormatVersion } from '../../../lib/store/chunk-key.js';
import { sampleKey } from '../../../lib/testing/index.js';
import { s3Test, sharedS3 } from '../../support/s3/server.js';
import { namesIn, objectAt, openStore, putObject } from '../../support/s3/stores.js';
import { isSame } from '../../support/store/folders.js';
import {
  bytesOf,
  finiteRecord,
  flipped,
  largeRecord,
  someIntegers,
} from '../../support/store/records.js';

const s3 = sharedS3();
const key = sampleKey(1);
const record = finiteRecord({ tokens: 2, layers: 2, keyWidth: 4, valueWidth: 4 });

async function withRecord(options: Parameters<typeof openStore>[1] = {}) {
  const opened = openStore(s3.server, options);
  expect(await opened.store.put(key, record)).toBe(true);
  const name = await opened.nameOf(key);
  return { ...opened, name, good: await objectAt(s3.server, name) };
}

s3Test('bits that are turned over are found, wherever they are', async () => {
  const { store, name, good } = await withRecord();
  // Every byte is looked at; every bit of a record in memory is tried elsewhere.
  const bits = someIntegers(good.byteLength, 8).map((bit, byte) => 8 * byte + bit);
  const tried = process.env['CHUNKWEAVE_SOAK'] ? bits : bits.filter((_, i) => i % 6 === 0);
  for (const bit of tried) {
    await putObject(s3.server, name, flipped(good, bit));
    expect(await store.get(key)).toBeUndefined();
  }
  const { corrupt, missesBy } = await store.stats();
  expect(corrupt + (missesBy.format ?? 0)).toBe(tried.length);
});

s3Test('a record that is cut short is found and removed', async () => {
  const { store, name, good, prefix } = await withRecord();
  for (const length of [0, 1, 63, 64, 65, good.byteLength >> 1, good.byteLength - 1]) {
    await putObject(s3.server, name, good.subarray(0, length));
    expect(await store.get(key)).toBeUndefined();
    if (length > 0) expect(await namesIn(s3.server, prefix)).toEqual([]);
  }
  await putObject(s3.server, name, good);
  expect(isSame(await store.get(key), record)).toBe(true);
});

s3Test('damage in a large record is found behind what was read first', async () => {
  const { store, nameOf } = openStore(s3.server, { finite: false });
  const large = largeRecord({ layers: 12, tokens: 256, keyWidth: 1024, valueWidth: 1024 });
  const good = await bytesOf(key, large);
  expect(good.byteLength).toBeGreaterThan(10e6);
  const name = await nameOf(key);
  await putObject(s3.server, name, flipped(good, 8 * (good.byteLength - 9)));
  expect(await store.get(key)).toBeUndefined();
  await putObject(s3.server, name, good);
  expect(isSame(await store.get(key), large)).toBe(true);
  expect(await store.stats()).toMatchObject({ corrupt: 1, hits: 1 });
});

s3Test('layers before the damage are given, then an error', async () => {
  const { store, name, good } = await withRecord();
  await putObject(s3.server, name, flipped(good, 8 * (good.byteLength - 20)));
  const seen: number[] = [];
  const reading = (async () => {
    for await (const { layers } of store.getLayers(key)) seen.push(layers.from);
  })();
  await expect(reading).rejects.toThrow(/rest of the record/);
  expect(seen).toEqual([0]);
  expect((await store.stats()).missesBy).toEqual({ corrupt: 1 });
});

s3Test('damage is told of, and a good record that took its place meanwhile stays', async () => {
  const { store, events, name, good } = await withRecord();
  await putObject(s3.server, name, flipped(good, 8 * (good.byteLength - 20)));
  expect(await store.get(key)).toBeUndefined();
  expect(events.filter(({ type }) => type === 'corrupt')).toEqual([
    { store: 's3', type: 'corrupt', key, problem: expect.stringMatching(/checksum/) },
  ]);
  expect(await store.has(key)).toBe(false);
  expect(await store.put(key, record)).toBe(true);
  expect(isSame(await store.get(key), record)).toBe(true);
});

s3Test('what is no record, too large, of another key or not finite is refused', async () => {
  const { store, name } = await withRecord({ maxRecordBytes: 100_000 });
  const infinite: ChunkRecord = {
    ...record,
    kv: { ...record.kv, data: record.kv.data.map((byte, i) => (i === 1 ? 0x7c : byte)) },
  };
  for (const bytes of [
    Buffer.from('something else'),
    Buffer.alloc(5000),
    Buffer.alloc(200_000, 1),
    await bytesOf(sampleKey(2), record),
    await bytesOf(key, infinite),
  ]) {
    await putObject(s3.server, name, bytes);
    expect(await store.get(key)).toBeUndefined();
    expect(await store.has(key)).toBe(false);
  }
  expect(await store.stats()).toMatchObject({ corrupt: 5, records: 0 });
});

s3Test('a record of another version is left to whoever can read it', async () => {
  const { store, name, good } = await withRecord();
  good.writeUInt32LE(recordFormatVersion + 1, 4);
  await putObject(s3.server, name, good);
  expect(await store.get(key)).toBeUndefined();
  expect(await store.stats()).toMatchObject({ missesBy: { format: 1 }, corrupt: 0, records: 1 });
});

s3Test('signed records are taken from those who know the secret only', async () => {
  const { store, prefix, name } = await withRecord({ signingKey: 'a secret of enough bytes' });
  expect(isSame(await store.get(key), record)).toBe(true);
  const forged = await new RecordWriter(key, record, {
    signingKey: 'another secret of bytes',
  }).toBytes();
  for (const bytes of [forged, await bytesOf(key, record)]) {
    await putObject(s3.server, name, bytes);
    expect(await store.get(key)).toBeUndefined();
  }
  expect(await store.stats()).toMatchObject({ corrupt: 2 });
  // Whoever does not ask for signatures can read signed ones.
  await store.put(key, record);
  const { store: other } = openStore(s3.server, { prefix });
  expect(isSame(await other.get(key), record)).toBe(true);
});

s3Test('a codec takes less room, and both kinds stay readable', async () => {
  const { store, prefix } = openStore(s3.server, { codec: q8Codec() });
  const wide = finiteRecord({ tokens: 40, layers: 4, keyWidth: 64, valueWidth: 64 });
  await store.put(key, wide);
  const { store: plain } = openStore(s3.server, { prefix });
  await plain.put(sampleKey(2), wide);
  const [small, large] = [await store.info(key), await plain.info(sampleKey(2))];
  expect(small).toMatchObject({ codec: 'q8_0' });
  expect(small!.bytes).toBeLessThan(0.7 * large!.bytes);
  expect((await plain.get(key))!.kv.tokens).toEqual(wide.kv.tokens);
  expect(isSame(await store.get(sampleKey(2)), wide)).toBe(true);
});
