import { afterEach, expect, jest, test } from '@jest/globals';
import * as crypto from 'node:crypto';
import { sampleKey } from '../../../lib/testing/index.js';

/** As where OpenSSL was built, or told, to do without. */
let refused: string | undefined;

jest.unstable_mockModule('node:crypto', () => ({
  ...crypto,
  createCipheriv: (name: string, ...rest: unknown[]) => {
    if (name === refused) throw new Error(`Unknown cipher: ${name}`);
    return (crypto.createCipheriv as (...args: unknown[]) => unknown)(name, ...rest);
  },
}));

afterEach(() => {
  refused = undefined;
  jest.resetModules();
});

async function load() {
  const { RecordReader } = await import('../../../adapters/record/read-record.js');
  const { bytesSource } = await import('../../../adapters/record/byte-source.js');
  const { bytesOf, largeRecord } = await import('../../support/store/records.js');
  return { RecordReader, bytesSource, bytesOf, largeRecord };
}

const key = sampleKey(1);
const shape = { tokens: 256, layers: 3, keyWidth: 128, valueWidth: 128 };

test.each([undefined, 'a secret of enough bytes'])(
  'where there is no Poly1305, records are written and read without it',
  async (signingKey) => {
    refused = 'chacha20-poly1305';
    const { RecordReader, bytesSource, bytesOf, largeRecord } = await load();
    const bytes = await bytesOf(key, largeRecord(shape), { signingKey });
    const reader = await RecordReader.open(bytesSource(bytes), { signingKey });
    expect(reader.layout.sums).toBe('crc32');
    expect(Buffer.compare((await reader.readAll()).kv.data, largeRecord(shape).kv.data)).toBe(0);
    // Everyone else can read them as well.
    refused = undefined;
    jest.resetModules();
    const others = await load();
    const again = await others.RecordReader.open(others.bytesSource(bytes), { signingKey });
    expect(Buffer.compare((await again.readAll()).kv.data, largeRecord(shape).kv.data)).toBe(0);
  },
);

test('a record that others wrote with Poly1305 is of another version there, not damaged', async () => {
  const others = await load();
  const bytes = await others.bytesOf(key, others.largeRecord(shape));
  refused = 'chacha20-poly1305';
  jest.resetModules();
  const { RecordReader, bytesSource } = await load();
  await expect(RecordReader.open(bytesSource(bytes))).rejects.toMatchObject({ reason: 'format' });
});
