import { crc32 } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { bytesSource } from '../../../adapters/record/byte-source.js';
import { hitsBytes, hitsOffset, sealPreamble } from '../../../adapters/record/header.js';
import { type ReadRecordOptions, RecordReader } from '../../../adapters/record/read-record.js';
import { assertSigningKey } from '../../../adapters/record/signing-key.js';
import { InvalidArgumentError } from '../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../lib/testing/index.js';
import { bytesOf, largeRecord } from '../../support/store/records.js';

const key = sampleKey(1);
const signingKey = new Uint8Array(32).fill(7);
const record = sampleRecord({ tokens: 2, layers: 2, keyWidth: 8, valueWidth: 8 });

async function read(bytes: Uint8Array, options: ReadRecordOptions) {
  return (await RecordReader.open(bytesSource(bytes), { key, ...options })).readAll();
}

test('what was signed with the key is read, with it and without one', async () => {
  const bytes = await bytesOf(key, record, { signingKey });
  expect(await read(bytes, { signingKey })).toEqual(record);
  expect(await read(bytes, {})).toEqual(record);
});

test('what was not signed, or with another key, is refused', async () => {
  const bare = await bytesOf(key, record);
  await expect(read(bare, { signingKey })).rejects.toThrow('it is not signed');
  const forged = await bytesOf(key, record, { signingKey: 'the key of someone else' });
  await expect(read(forged, { signingKey })).rejects.toThrow('its signature is wrong');
});

test('planted numbers are found even where all checksums fit', async () => {
  const bytes = await bytesOf(key, record, { signingKey });
  const { layout } = await RecordReader.open(bytesSource(bytes));
  const block = bytes.subarray(layout.dataOffset, layout.dataOffset + layout.stride);
  block[3]! ^= 1;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(64, crc32(block), true);
  sealPreamble(bytes.subarray(0, layout.dataOffset));
  // The checksums say nothing: anyone can compute them.
  expect((await read(bytes, {})).kv.data[3]).toBe(record.kv.data[3]! ^ 1);
  await expect(read(bytes, { signingKey })).rejects.toThrow('its signature is wrong');
});

test.each([
  ['small blocks', record],
  ['large blocks', largeRecord({ tokens: 200, layers: 2, keyWidth: 128, valueWidth: 128 })],
])('no two signed records of one key have a tag in common: %s', async (_, one) => {
  const tags = new Set<string>();
  for (let i = 0; i < 10; i++) {
    const bytes = await bytesOf(key, one, { signingKey });
    const { layout } = await RecordReader.open(bytesSource(bytes), { signingKey });
    for (let at = layout.tagsOffset; at < layout.signatureOffset; at += 16) {
      tags.add(Buffer.from(bytes.subarray(at, at + 16)).toString('hex'));
    }
  }
  // A tag that came twice would tell its key.
  expect(tags.size).toBe(20);
});

test('blocks of another signed record do not fit, whatever its key', async () => {
  const other = { ...record, kv: { ...record.kv, data: record.kv.data.map((byte) => byte ^ 1) } };
  const [bytes, others] = [
    await bytesOf(key, record, { signingKey }),
    await bytesOf(key, other, { signingKey }),
  ];
  const { layout } = await RecordReader.open(bytesSource(bytes));
  bytes.set(others.subarray(layout.dataOffset), layout.dataOffset);
  await expect(read(bytes, { signingKey })).rejects.toThrow('the signature of its layer block 0');
});

test('a signed block that was changed is found by its tag', async () => {
  const bytes = await bytesOf(key, record, { signingKey });
  bytes[bytes.length - 1]! ^= 1;
  await expect(read(bytes, { signingKey })).rejects.toThrow('the signature of its layer block 1');
});

test('a signed record moved to the name of another is refused', async () => {
  const bytes = await bytesOf(sampleKey(2), record, { signingKey });
  await expect(read(bytes, { signingKey })).rejects.toThrow('another key');
});

test('counting a use does not break the signature', async () => {
  const bytes = await bytesOf(key, record, { signingKey });
  bytes.set(hitsBytes(41), hitsOffset);
  const reader = await RecordReader.open(bytesSource(bytes), { signingKey });
  expect(reader.hits).toBe(41);
});

test('the count of hits stands still at its end', () => {
  expect(hitsBytes(70_000)).toEqual(hitsBytes(65_535));
});

test.each(['', 'fifteen bytes..', new Uint8Array(15)])(
  'a key that is too short is refused',
  (short) => {
    expect(() => assertSigningKey(short)).toThrow(InvalidArgumentError);
    expect(() => assertSigningKey('sixteen bytes...')).not.toThrow();
  },
);
