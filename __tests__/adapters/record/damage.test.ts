import { expect, test } from '@jest/globals';
import { BadRecord } from '../../../adapters/record/bad-record.js';
import { bytesSource } from '../../../adapters/record/byte-source.js';
import { hitsBytes, hitsOffset } from '../../../adapters/record/header.js';
import { type ReadRecordOptions, RecordReader } from '../../../adapters/record/read-record.js';
import { sampleKey, sampleRecord } from '../../../lib/testing/index.js';
import { bytesOf, flipped, largeRecord, someIntegers } from '../../support/store/records.js';

const key = sampleKey(1);
const signingKey = 'a secret of enough bytes';
// Blocks of 54 bytes, so that padding is among the bits.
const small = sampleRecord({ tokens: 1, layers: 2, keyWidth: 14, valueWidth: 13 });

/** What is wrong with these bytes, all of them read. */
async function problemOf(bytes: Uint8Array, options: ReadRecordOptions = {}) {
  try {
    const reader = await RecordReader.open(bytesSource(bytes), { key, ...options });
    await reader.readAll();
    return undefined;
  } catch (error) {
    if (!(error instanceof BadRecord)) throw error;
    return error;
  }
}

test.each([
  ['a record', {}],
  ['a signed record', { signingKey }],
])('every single flipped bit of %s is found', async (_, options) => {
  const bytes = await bytesOf(key, small, options);
  expect(await problemOf(bytes, options)).toBeUndefined();
  let found = 0;
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    if (await problemOf(flipped(bytes, bit), options)) found++;
  }
  expect(found).toBe(8 * bytes.length);
});

test('every flipped bit of a signed record is found by whoever has no key to check it with', async () => {
  const bytes = await bytesOf(key, small, { signingKey });
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    if (!(await problemOf(flipped(bytes, bit)))) throw new Error(`bit ${bit} went unnoticed`);
  }
});

test('flipped bits of a large record are found, wherever they are', async () => {
  const record = largeRecord({ tokens: 512, layers: 8, keyWidth: 128, valueWidth: 128 });
  const bytes = await bytesOf(key, record);
  const rounds = process.env.CHUNKWEAVE_SOAK ? 20_000 : 300;
  for (const bit of someIntegers(rounds, 8 * bytes.length)) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    if (!(await problemOf(bytes))) throw new Error(`bit ${bit} went unnoticed`);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
  expect(await problemOf(bytes)).toBeUndefined();
});

test('every kind of sum finds every flipped bit of a block', async () => {
  // At the size from which on another kind is used, and just below.
  for (const tokens of [128, 127]) {
    const record = largeRecord({ tokens, layers: 1, keyWidth: 128, valueWidth: 128 });
    const bytes = await bytesOf(key, record);
    const { layout } = await RecordReader.open(bytesSource(bytes));
    expect(layout.sums).toBe(tokens === 128 ? 'poly1305' : 'crc32');
    for (const bit of someIntegers(2000, 8 * layout.stride)) {
      const at = layout.dataOffset + (bit >> 3);
      bytes[at]! ^= 1 << (bit & 7);
      if (!(await problemOf(bytes))) throw new Error(`bit ${bit} went unnoticed`);
      bytes[at]! ^= 1 << (bit & 7);
    }
    for (let bit = 0; bit < 8 * layout.dataOffset; bit++) {
      if (!(await problemOf(flipped(bytes, bit)))) throw new Error(`bit ${bit} went unnoticed`);
    }
  }
});

test('bursts of damage are found', async () => {
  const bytes = await bytesOf(key, sampleRecord({ tokens: 64, keyWidth: 32, valueWidth: 32 }));
  for (const at of someIntegers(300, bytes.length - 64, 7)) {
    const damaged = bytes.slice();
    const burst = damaged.subarray(at, at + 1 + (at % 64));
    for (let i = 0; i < burst.length; i++) burst[i] = burst[i]! ^ (1 + ((at + i) % 255));
    if (!(await problemOf(damaged))) throw new Error(`a burst at ${at} went unnoticed`);
  }
});

test('a record cut short at any length is found', async () => {
  const bytes = await bytesOf(key, small);
  for (let length = 0; length < bytes.length; length++) {
    const problem = await problemOf(bytes.slice(0, length));
    expect(problem?.reason).toBe('corrupt');
  }
});

test('bytes behind a record are found', async () => {
  const bytes = await bytesOf(key, small);
  for (const more of [1, 63, 64, 128]) {
    const longer = new Uint8Array([...bytes, ...new Uint8Array(more)]);
    expect(await problemOf(longer)).toMatchObject({ reason: 'corrupt' });
  }
});

test('blocks that changed places are found', async () => {
  const record = sampleRecord({ tokens: 2, layers: 2, keyWidth: 8, valueWidth: 8 });
  const bytes = await bytesOf(key, record);
  const swapped = bytes.slice();
  swapped.copyWithin(bytes.length - 128, bytes.length - 64);
  swapped.set(bytes.subarray(bytes.length - 128, bytes.length - 64), bytes.length - 64);
  expect(await problemOf(swapped)).toMatchObject({
    message: expect.stringMatching(/layer block 0/),
  });
});

test('a record of another key is not the one that was asked for', async () => {
  const bytes = await bytesOf(sampleKey(2), small);
  expect(await problemOf(bytes)).toMatchObject({
    reason: 'corrupt',
    message: expect.stringMatching(/another key/),
  });
  expect(await problemOf(bytes, { key: undefined })).toBeUndefined();
});

test('a count of hits that is just being written is read once more', async () => {
  const bytes = await bytesOf(key, small);
  const whole = bytesSource(bytes);
  let reads = 0;
  const reader = await RecordReader.open({
    length: whole.length,
    async read(target, at) {
      await whole.read(target, at);
      if (reads++ > 0) return;
      bytes.set(hitsBytes(258), hitsOffset);
      // Half of the new count, half of the old one.
      target.set(hitsBytes(258).subarray(0, 1), hitsOffset);
    },
  });
  expect(reader.hits).toBe(258);
});
