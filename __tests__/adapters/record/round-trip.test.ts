import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { RecordReader } from '../../../adapters/record/read-record.js';
import { type ByteSource, bytesSource } from '../../../adapters/record/byte-source.js';
import { RecordWriter } from '../../../adapters/record/write-record.js';
import {
  bfpCodec,
  type BlockShape,
  type ChunkRecord,
  f16Codec,
  InvalidArgumentError,
  type KvCodec,
  layerBytes,
  q8Codec,
} from '../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../lib/testing/index.js';
import { bytesOf, finiteRecord, largeRecord } from '../../support/store/records.js';

const key = sampleKey(1);
const codecs = [f16Codec(), q8Codec(), bfpCodec(), bfpCodec({ bits: 5, sortKeys: false })];

const shapes = fc
  .record({
    seed: fc.nat(),
    tokens: fc.integer({ min: 1, max: 40 }),
    layers: fc.integer({ min: 1, max: 6 }),
    keyWidth: fc.integer({ min: 1, max: 70 }),
    valueWidth: fc.integer({ min: 1, max: 70 }),
  })
  .chain((shape) =>
    fc
      .tuple(fc.nat(shape.layers - 1), fc.nat(shape.layers - 1))
      .map(([a, b]) => ({ ...shape, from: Math.min(a, b), to: Math.max(a, b) + 1 })),
  );

/** What a codec makes of a record's data. */
function afterCodec({ kv }: ChunkRecord, codec: KvCodec): Uint8Array {
  const shape: BlockShape = { layout: kv.layout, tokens: kv.tokens.length };
  const bytes = layerBytes(kv.layout, kv.tokens.length);
  const data = new Uint8Array(kv.data.byteLength);
  const encoded = new Uint8Array(codec.encodedBytes(shape));
  for (let at = 0; at < data.byteLength; at += bytes) {
    codec.encode(kv.data.subarray(at, at + bytes), shape, encoded);
    codec.decode(encoded, shape, data.subarray(at, at + bytes));
  }
  return data;
}

/** Without {@link ByteSource.view}, as a file is read. */
function fileLike(bytes: Uint8Array): ByteSource {
  const { length, read } = bytesSource(bytes);
  return { length, read };
}

test('whatever its shape and codec, a record comes back; layers alone give the same', async () => {
  const property = fc.asyncProperty(
    shapes,
    fc.constantFrom(...codecs),
    fc.constantFrom(undefined, 'a key of sixteen bytes'),
    async (shape, codec, signingKey) => {
      const record = finiteRecord(shape);
      const bytes = await bytesOf(key, record, { codec, signingKey });
      const expected = { ...record, kv: { ...record.kv, data: afterCodec(record, codec) } };
      for (const source of [fileLike(bytes), bytesSource(bytes)]) {
        const reader = await RecordReader.open(source, { key, signingKey, finite: true });
        expect(await reader.readAll()).toEqual(expected);
        const layers: Uint8Array[] = [];
        for await (const { data } of reader.readLayers()) layers.push(data);
        expect(Buffer.concat(layers).equals(expected.kv.data)).toBe(true);
      }
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

test('records larger than the pieces that they are read and written in come back', async () => {
  // Blocks below, at and above the size of a piece.
  for (const tokens of [100, 2048, 2500]) {
    const record = largeRecord({ tokens, layers: 5, keyWidth: 64, valueWidth: 64 });
    for (const codec of [f16Codec(), q8Codec()]) {
      const bytes = await bytesOf(key, record, { codec });
      const reader = await RecordReader.open(fileLike(bytes));
      const { data } = (await reader.readAll()).kv;
      expect(Buffer.compare(data, afterCodec(record, codec))).toBe(0);
    }
  }
});

test('the bytes that are given out to be copied are those of the record', async () => {
  const record = finiteRecord({ tokens: 200, layers: 9, keyWidth: 64, valueWidth: 33 });
  for (const codec of [f16Codec(), q8Codec()]) {
    const bytes = await bytesOf(key, record, { codec });
    const reader = await RecordReader.open(fileLike(bytes), { finite: true });
    const copy = Buffer.alloc(bytes.byteLength);
    let at = 0;
    for await (const piece of reader.readBytes()) {
      copy.set(piece, at);
      at += piece.byteLength;
    }
    expect(at).toBe(bytes.byteLength);
    expect(copy.equals(bytes)).toBe(true);
  }
});

test('a record in memory is used where it is, one that is not aligned is copied', async () => {
  const bytes = await bytesOf(key, sampleRecord({ tokens: 8, keyWidth: 8, valueWidth: 8 }));
  const there = await (await RecordReader.open(bytesSource(bytes))).readAll();
  expect(there.kv.data.buffer).toBe(bytes.buffer);
  const odd = Buffer.concat([Buffer.of(0), bytes]).subarray(1);
  const shifted = new Uint8Array(odd.buffer, odd.byteOffset, odd.byteLength);
  const copied = await (await RecordReader.open(bytesSource(shifted))).readAll();
  if (shifted.byteOffset % 8 !== 0) expect(copied.kv.data.buffer).not.toBe(shifted.buffer);
  expect(copied).toEqual(there);
});

test('a writer tells its length beforehand, and its pieces cover the record once', () => {
  for (const tokens of [3, 400]) {
    const record = largeRecord({ tokens, layers: 7, keyWidth: 96, valueWidth: 65 });
    const writer = new RecordWriter(key, record, { codec: q8Codec(), signingKey: 'x'.repeat(16) });
    const covered = new Uint8Array(writer.bytes);
    for (const { at, bytes } of writer.pieces()) {
      for (let i = at; i < at + bytes.byteLength; i++) covered[i]!++;
    }
    expect(covered.every((times) => times === 1)).toBe(true);
  }
});

test('blocks begin at multiples of 64 bytes', async () => {
  const bytes = await bytesOf(key, sampleRecord({ tokens: 7, keyWidth: 3, valueWidth: 5 }));
  const { layout } = await RecordReader.open(bytesSource(bytes));
  expect([layout.dataOffset % 64, layout.stride % 64, bytes.byteLength % 64]).toEqual([0, 0, 0]);
});

const details = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: 'binary' }),
    // Packed, -0 becomes 0.
    fc.double().map((value) => value + 0),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.string().filter((name) => name !== '__proto__'),
      tie('value'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value;

test('notes of any allowed kind come back', async () => {
  const property = fc.asyncProperty(details, async (value) => {
    const record = { ...sampleRecord(), details: value };
    const reader = await RecordReader.open(bytesSource(await bytesOf(key, record)));
    expect(reader.metadata.record.details).toEqual(value);
  });
  await fc.assert(property, { numRuns: 300 });
});

const loop: unknown[] = [];
loop.push(loop);

test.each<[string, unknown]>([
  ['a date', new Date(0)],
  ['floats', { attention: Float32Array.of(1) }],
  ['a function', [() => 1]],
  ['a bigint', { a: [{ b: 1n }] }],
  ['a map', new Map()],
  ['itself', loop],
  ['too many values', Array.from({ length: 70_000 }, () => 0)],
  ['__proto__', JSON.parse('{"__proto__": 1}')],
])('notes that hold %s are refused before anything is written', (_, value) => {
  const write = () => new RecordWriter(key, { ...sampleRecord(), details: value });
  expect(write).toThrow(InvalidArgumentError);
});

test('an abort is heard between two pieces', async () => {
  const bytes = await bytesOf(key, largeRecord({ tokens: 4096, layers: 8, keyWidth: 128 }));
  const controller = new AbortController();
  let reads = 0;
  const { read } = bytesSource(bytes);
  const source: ByteSource = {
    length: bytes.byteLength,
    async read(target, at, signal) {
      signal?.throwIfAborted();
      if (++reads === 3) controller.abort(new Error('enough'));
      await read(target, at);
    },
  };
  const { signal } = controller;
  const reader = await RecordReader.open(source, { signal });
  await expect(reader.readAll()).rejects.toThrow('enough');
  expect(reads).toBeLessThan(8);
});
