import { createCipheriv, createHash } from 'node:crypto';
import { type ChunkRecord, layerBytes } from '../../../lib/index.js';
import {
  sampleRecord,
  type SampleRecordOptions,
  seededInteger,
  seededRandom,
} from '../../../lib/testing/index.js';
import { RecordWriter, type WriteRecordOptions } from '../../../adapters/record/write-record.js';

/** A key as real ones are: its digits are spread evenly. */
export function hashedKey(number: number): string {
  return createHash('sha256').update(`record ${number}`).digest('hex');
}

/** A small record whose numbers are all finite. */
export function finiteRecord(options: SampleRecordOptions = {}): ChunkRecord {
  const record = sampleRecord(options);
  const data = record.kv.data.slice();
  // Without the highest bit of the exponent, no number is large.
  for (let i = 1; i < data.length; i += 2) data[i]! &= 0xbf;
  return { ...record, kv: { ...record.kv, data } };
}

/** A record whose numbers are made quickly, for those of many bytes. Equal seeds give equal records. */
export function largeRecord({ seed = 1, ...shape }: SampleRecordOptions = {}): ChunkRecord {
  const { layers = 3, keyWidth = 8, valueWidth = 4, tokens = 5, from = 0, to = layers } = shape;
  const record = sampleRecord({ ...shape, seed, tokens, layers, keyWidth: 1, valueWidth: 1 });
  const layout = { ...record.kv.layout, keyWidth, valueWidth };
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16, seed >> 8));
  const data = new Uint8Array(
    cipher.update(Buffer.alloc((to - from) * layerBytes(layout, tokens))),
  );
  return { ...record, kv: { ...record.kv, layout, data } };
}

/** A record as bytes. */
export function bytesOf(
  key: string,
  record: ChunkRecord,
  options: WriteRecordOptions = {},
): Promise<Uint8Array> {
  return new RecordWriter(key, record, options).toBytes();
}

/** A copy with one bit turned over. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

/** `count` numbers below `limit`, the same for the same seed. */
export function someIntegers(count: number, limit: number, seed = 1): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => seededInteger(random, limit));
}
