import { crc32 } from 'node:zlib';
import { afterEach, expect, jest, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Packr } from 'msgpackr';
import { BadRecord } from '../../../adapters/record/bad-record.js';
import { bytesSource } from '../../../adapters/record/byte-source.js';
import { recordLayout, sealPreamble, writeHeader } from '../../../adapters/record/header.js';
import { maxDepth, packedProblem } from '../../../adapters/record/packed-values.js';
import { type ReadRecordOptions, RecordReader } from '../../../adapters/record/read-record.js';
import {
  bfpCodec,
  codecByName,
  f16Codec,
  type KvCodec,
  layerBytes,
  q8Codec,
} from '../../../lib/index.js';
import { recordFormatVersion } from '../../../lib/store/chunk-key.js';
import { sampleKey, sampleRecord } from '../../../lib/testing/index.js';
import { bytesOf, finiteRecord, someIntegers } from '../../support/store/records.js';

const key = sampleKey(1);
const packer = new Packr({ useRecords: false, variableMapSize: true });
const allocate = jest.spyOn(Buffer, 'allocUnsafeSlow');
afterEach(() => {
  allocate.mockClear();
});

async function problemOf(bytes: Uint8Array, options: ReadRecordOptions = {}) {
  try {
    const reader = await RecordReader.open(bytesSource(bytes), options);
    await reader.readAll();
    return undefined;
  } catch (error) {
    if (!(error instanceof BadRecord)) throw error;
    return error;
  }
}

/** A record with these metadata and whole checksums; its one block holds zeros. */
function forged(metadata: Uint8Array, blockBytes = 64): Uint8Array {
  const parts = { blocks: 1, blockBytes, metadataBytes: metadata.byteLength };
  const layout = recordLayout({ ...parts, signed: false, sums: 'crc32' });
  const bytes = new Uint8Array(layout.bytes);
  const preamble = bytes.subarray(0, layout.dataOffset);
  preamble.set(metadata, layout.metadataOffset);
  writeHeader(preamble, layout);
  new DataView(bytes.buffer).setUint32(64, crc32(new Uint8Array(layout.stride)), true);
  sealPreamble(preamble);
  return bytes;
}

const fields = {
  key,
  codec: 'f16',
  fingerprint: 'model',
  layout: { layers: 1, keyWidth: 16, valueWidth: 16, type: 'f16' },
  layers: { from: 0, to: 1 },
  tokens: new Uint8Array(4),
  computeMs: 1,
  created: 1,
};

test('a forged record is read where nothing is wrong with it', async () => {
  expect(await problemOf(forged(packer.pack(fields)))).toBeUndefined();
});

const u32 = [0, 1, 0x7f, 0xffff, 0x7fff_ffff, 0xffff_fff0, 0xffff_ffff];
const u64 = [0n, 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 64n, 2n ** 64n - 1n];

test('lengths that a header claims are held against the file before anything is allocated', async () => {
  const bytes = await bytesOf(key, sampleRecord());
  const tries: Uint8Array[] = [];
  const forge = (change: (view: DataView) => void): void => {
    const copy = bytes.slice();
    change(new DataView(copy.buffer));
    tries.push(copy);
  };
  for (const value of u32) {
    for (const at of [8, 12, 48]) forge((view) => view.setUint32(at, value, true));
    // Two that fit each other.
    forge((view) => {
      view.setUint32(12, value, true);
      view.setBigUint64(16, 64n, true);
      view.setBigUint64(32, 64n + BigInt(value) * 80n, true);
    });
  }
  for (const value of u64) {
    for (const at of [16, 24, 32]) forge((view) => view.setBigUint64(at, value, true));
  }
  allocate.mockClear();
  for (const hostile of tries) {
    if (Buffer.compare(hostile, bytes) === 0) continue;
    expect(await problemOf(hostile)).toBeInstanceOf(BadRecord);
  }
  const largest = Math.max(...allocate.mock.calls.map(([size]) => size));
  expect(largest).toBeLessThanOrEqual(bytes.byteLength);
});

test('headers of random numbers never lead to more memory than the file is long', async () => {
  const bytes = await bytesOf(key, sampleRecord());
  const header = fc.uint8Array({ minLength: 56, maxLength: 56 });
  const property = fc.asyncProperty(header, fc.boolean(), async (random, begins) => {
    const hostile = bytes.slice();
    hostile.set(random, begins ? 8 : 0);
    expect(await problemOf(hostile)).toBeInstanceOf(BadRecord);
  });
  await fc.assert(property, { numRuns: 500 });
  const largest = Math.max(...allocate.mock.calls.map(([size]) => size));
  expect(largest).toBeLessThanOrEqual(bytes.byteLength);
});

test.each<[string, Uint8Array]>([
  ['nothing', new Uint8Array(0)],
  ['no msgpack', Buffer.from('{"key": 1}')],
  ['a number', packer.pack(1)],
  ['a list', packer.pack([1, 2])],
  ['null', packer.pack(null)],
  ['too little', packer.pack(fields).subarray(0, -1)],
  ['too much', Buffer.concat([packer.pack(fields), Buffer.of(0)])],
  ['a list of 4 billion', Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff)],
  ['an object of 4 billion', Buffer.of(0xdf, 0xff, 0xff, 0xff, 0xff)],
  ['a text of 4 GB', Buffer.of(0xdb, 0xff, 0xff, 0xff, 0xff)],
  ['bytes of 4 GB', Buffer.of(0xc6, 0xff, 0xff, 0xff, 0xff)],
  ['lists in lists', Buffer.alloc(100_000, 0x91)],
  ['many empty objects', Buffer.concat([Buffer.of(0xdd, 0, 3, 0, 0), Buffer.alloc(196_608, 0x80)])],
  ['a regular expression', Buffer.of(0xd4, 0x78, 0, 0x92, 0xa1, 0x28, 0xa0)],
  ['an extension', Buffer.of(0xc7, 2, 0x42, 1, 1)],
  ['a structure', Buffer.of(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1)],
  ['the unused type', Buffer.of(0xc1)],
  ['an object with an object for a key', Buffer.of(0x81, 0x80, 1)],
])('metadata that are %s are refused', async (_, metadata) => {
  const before = process.memoryUsage().heapUsed;
  expect(await problemOf(forged(metadata))).toMatchObject({ reason: 'corrupt' });
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(30e6);
});

const wrong: Record<string, object> = {
  'another key': { key: sampleKey(2) },
  'no key': { key: '../../etc/passwd' },
  'no fingerprint': { fingerprint: 7 },
  'no tokens': { tokens: new Uint8Array(0) },
  'half a token': { tokens: new Uint8Array(6) },
  'tokens as text': { tokens: 'abcd' },
  'more tokens than blocks hold': { tokens: new Uint8Array(8) },
  'a width of 0': { layout: { ...fields.layout, keyWidth: 0 } },
  'a width below 0': { layout: { ...fields.layout, keyWidth: -16, valueWidth: 48 } },
  'a huge width': { layout: { ...fields.layout, keyWidth: 2 ** 52 } },
  'a broken width': { layout: { ...fields.layout, keyWidth: 15.5, valueWidth: 16.5 } },
  'another type': { layout: { ...fields.layout, type: 'f32' } },
  'no layout': { layout: null },
  'layers beyond the model': { layers: { from: 1, to: 2 } },
  'no layers': { layers: { from: 0, to: 0 } },
  'layers below 0': { layers: { from: -1, to: 0 } },
  'a time that is none': { created: Number.NaN },
  'no time': { computeMs: undefined },
  'a source without a document': { source: { start: 1, end: 2 } },
  'a context of what are no keys': { context: { chunks: ['x'], warmupTokens: 0 } },
  'a context without warm-up': { context: { chunks: [] } },
};

test.each(Object.entries(wrong))('metadata with %s are refused', async (_, change) => {
  const bytes = forged(packer.pack({ ...fields, ...change }));
  expect(await problemOf(bytes, { key })).toMatchObject({ reason: 'corrupt' });
});

test('a record in an unknown codec is of another version, not damaged', async () => {
  for (const codec of ['q2_k', 'bfp9x32', '__proto__', 7]) {
    const bytes = forged(packer.pack({ ...fields, codec }));
    expect(await problemOf(bytes)).toMatchObject({ reason: 'format' });
  }
});

test('a record of another version is told apart from a damaged one', async () => {
  for (const version of [0, 1, recordFormatVersion - 1, recordFormatVersion + 1, 0xffff_ffff]) {
    const bytes = await bytesOf(key, sampleRecord());
    new DataView(bytes.buffer).setUint32(4, version, true);
    expect(await problemOf(bytes)).toMatchObject({ reason: 'format' });
  }
});

test('the walk through msgpack takes what the packer writes, and never what it cannot read', () => {
  const property = fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
    expect(packedProblem(packer.pack(value))).toBeUndefined();
  });
  fc.assert(property, { numRuns: 500 });
  const noise = fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    if (packedProblem(bytes)) return;
    expect(() => packer.unpack(bytes)).not.toThrow();
  });
  fc.assert(noise, { numRuns: 20_000 });
});

const nested = (depth: number) => Buffer.from([...new Uint8Array(depth).fill(0x91), 1]);

test('lists may lie in each other as deep as the limit', () => {
  expect(packedProblem(nested(maxDepth))).toBeUndefined();
  expect(packedProblem(nested(maxDepth + 1))).toBe('they are nested too deep');
});

const special = [0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xffff];

test('numbers that are not finite are refused where that is asked for, wherever they are', async () => {
  for (const valueWidth of [4, 5]) {
    const record = finiteRecord({ tokens: 3, layers: 2, keyWidth: 4, valueWidth });
    expect(await problemOf(await bytesOf(key, record), { finite: true })).toBeUndefined();
    for (let at = 0; at < record.kv.data.length; at += 2) {
      const data = record.kv.data.slice();
      const half = special[(at / 2) % special.length]!;
      new DataView(data.buffer).setUint16(at, half, true);
      const bytes = await bytesOf(key, { ...record, kv: { ...record.kv, data } });
      expect(await problemOf(bytes)).toBeUndefined();
      expect(await problemOf(bytes, { finite: true })).toMatchObject({
        message: expect.stringMatching(/not finite/),
      });
    }
  }
});

test('the largest numbers are finite', async () => {
  const record = finiteRecord({ tokens: 3 });
  const data = record.kv.data.slice();
  const view = new DataView(data.buffer);
  for (const [i, at] of someIntegers(10, data.length / 2).entries()) {
    view.setUint16(2 * at, i % 2 ? 0x7bff : 0xfbff, true);
  }
  const bytes = await bytesOf(
    key,
    { ...record, kv: { ...record.kv, data } },
    { codec: f16Codec() },
  );
  expect(await problemOf(bytes, { finite: true })).toBeUndefined();
});

/** Decoded, a record takes less than so many times its file; while a layer is decoded, three times that layer besides. */
const mostDecoded = 4;

const codecs: readonly KvCodec[] = [
  f16Codec(),
  q8Codec(),
  ...[4, 5, 6, 7, 8].flatMap((bits) =>
    [16, 32, 127, 128].flatMap((group) =>
      [false, true].map((sortKeys) => bfpCodec({ bits, group, sortKeys })),
    ),
  ),
];

test('whatever shape a record claims, its layers decode to less than four times their bytes', () => {
  const width = fc.integer({ min: 1, max: 4096 });
  const property = fc.property(
    fc.constantFrom(...codecs),
    width,
    width,
    fc.integer({ min: 1, max: 10_000 }),
    (codec, keyWidth, valueWidth, tokens) => {
      const layout = { layers: 1, keyWidth, valueWidth, type: 'f16' } as const;
      const decoded = layerBytes(layout, tokens);
      expect(decoded).toBeLessThan(mostDecoded * codec.encodedBytes({ layout, tokens }));
    },
  );
  fc.assert(property, { numRuns: 5000 });
});

test.each(['q8_0', 'bfp8x32-sorted', 'bfp4x128', 'bfp4x128-sorted', 'bfp4x16'])(
  'a forged record in %s takes no more memory than that, at any moment',
  async (name) => {
    const layout = { layers: 1, keyWidth: 4096, valueWidth: 4096, type: 'f16' } as const;
    const tokens = 256;
    const codec = codecByName(name)!;
    const blockBytes = codec.encodedBytes({ layout, tokens });
    const shape = { ...fields, codec: name, layout, tokens: new Uint8Array(4 * tokens) };
    const bytes = forged(packer.pack(shape), blockBytes);
    const { Float32Array, Uint16Array } = globalThis;
    const made: Float32Array[] | Uint16Array[] = [];
    const watched = <T extends typeof Float32Array | typeof Uint16Array>(type: T): T =>
      new Proxy(type, {
        construct(target, args, self) {
          const array = Reflect.construct(target, args, self) as never;
          // Of those that are given others' memory, nothing is asked for.
          if (typeof args[0] === 'number') made.push(array);
          return array;
        },
      });
    allocate.mockClear();
    try {
      Object.assign(globalThis, {
        Float32Array: watched(Float32Array),
        Uint16Array: watched(Uint16Array),
      });
      expect(await problemOf(bytes, { finite: true })).toBeUndefined();
    } finally {
      Object.assign(globalThis, { Float32Array, Uint16Array });
    }
    const decoded = layerBytes(layout, tokens);
    const data = allocate.mock.calls.reduce((sum, [size]) => sum + size, 0);
    // What is read into, and what it becomes.
    expect(data).toBeGreaterThanOrEqual(decoded);
    expect(data).toBeLessThan((1 + mostDecoded) * bytes.byteLength);
    // The layer as floats and as halves, and little else.
    const besides = made.reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(besides).toBeGreaterThanOrEqual(3 * decoded);
    expect(besides).toBeLessThan(3.1 * decoded);
  },
);

test('a record that claims more than its blocks hold is refused before any of it is decoded', async () => {
  for (const codec of codecs) {
    const layout = { layers: 1, keyWidth: 64, valueWidth: 64, type: 'f16' } as const;
    const shape = { ...fields, codec: codec.name, tokens: new Uint8Array(4 * 50) };
    const blockBytes = codec.encodedBytes({ layout, tokens: 50 });
    for (const wider of [{ keyWidth: 2 ** 31 }, { valueWidth: 65 }, { keyWidth: 2 ** 52 }]) {
      const bytes = forged(packer.pack({ ...shape, layout: { ...layout, ...wider } }), blockBytes);
      allocate.mockClear();
      expect(await problemOf(bytes)).toBeInstanceOf(BadRecord);
      const sizes = allocate.mock.calls.map(([size]) => size);
      expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(bytes.byteLength);
    }
  }
});
