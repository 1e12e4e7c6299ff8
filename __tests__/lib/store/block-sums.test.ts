import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { type ByteSum, memoryStore, type StoreEvent, tieredStore } from '../../../lib/index.js';
import { BlockSums, wordSum } from '../../../lib/store/block-sums.js';
import { sampleKey, sampleRecord } from '../../../lib/testing/index.js';

const key = sampleKey(1);

test('every bit that flips changes the sum', () => {
  for (const length of [1, 3, 4, 15, 16, 17, 64, 203]) {
    const bytes = Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24);
    const sum = wordSum(bytes);
    for (let bit = 0; bit < 8 * length; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(wordSum(flipped)).not.toBe(sum);
    }
  }
});

test('no two short runs of small bytes have one sum', () => {
  const sums = new Set<number>();
  let runs = 0;
  for (let length = 0; length <= 3; length++) {
    for (let i = 0; i < 20 ** length; i++, runs++) {
      const bytes = Uint8Array.from({ length }, (_, at) => Math.floor(i / 20 ** at) % 20);
      sums.add(wordSum(bytes));
    }
  }
  expect(sums.size).toBe(runs);
});

test('the sum is of the bytes, wherever they lie, and of their order and number', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      fc.uint8Array({ maxLength: 100 }),
      fc.nat(9),
      (a, b, offset) => {
        const moved = new Uint8Array(offset + a.length + 5).subarray(offset, offset + a.length);
        moved.set(a);
        expect(wordSum(moved)).toBe(wordSum(a));
        if (Buffer.compare(a, b) !== 0) expect(wordSum(a)).not.toBe(wordSum(b));
        expect(wordSum(new Uint8Array([...a, 0]))).not.toBe(wordSum(a));
      },
    ),
    { numRuns: 500 },
  );
});

test('blocks are checked in turn, each in as many calls as there are blocks', () => {
  const data = new Uint8Array(5 * 2 ** 16 + 7);
  for (const at of [0, 2 ** 16 - 1, 2 ** 16, 3 * 2 ** 16 + 500, data.length - 1]) {
    const sums = new BlockSums(data, wordSum);
    for (let i = 0; i < 13; i++) expect(sums.check()).toBe(true);
    data[at] = 1;
    const seen = Array.from({ length: 6 }, () => sums.check());
    expect(seen.filter((isSound) => !isSound)).toHaveLength(1);
    data[at] = 0;
    for (let i = 0; i < 6; i++) expect(sums.check()).toBe(true);
  }
});

const sha: ByteSum = (bytes) => createHash('sha256').update(bytes).digest().readInt32LE();

describe.each([
  ['of its own', undefined],
  ['that was handed in', sha],
])('with a sum %s', (_, sum) => {
  test('a byte that changes in memory is found, and the record is dropped, counted and told of once', async () => {
    const events: StoreEvent[] = [];
    const store = memoryStore({
      checkEvery: 3,
      ...(sum && { sum }),
      onEvent: (event) => events.push(event),
    });
    const record = sampleRecord({ tokens: 3000, layers: 4 });
    const blocks = Math.ceil(record.kv.data.length / 2 ** 16);
    expect(blocks).toBeGreaterThan(3);
    await store.put(key, record);
    for (let i = 0; i < 20; i++) expect(await store.get(key)).toBe(record);
    const at = record.kv.data.length - 5;
    record.kv.data[at] = (record.kv.data[at] as number) ^ 16;
    let gets = 1;
    while (await store.get(key)) gets++;
    expect(gets).toBeLessThanOrEqual(3 * blocks);
    expect(await store.has(key)).toBe(false);
    expect(await store.stats()).toMatchObject({
      records: 0,
      bytes: 0,
      corrupt: 1,
      missesBy: { corrupt: 1 },
      evictions: 0,
    });
    const told = events.filter(({ type }) => type === 'corrupt' || type === 'miss');
    expect(told).toMatchObject([
      { type: 'corrupt', key, problem: 'it has changed in memory' },
      { type: 'miss', key, reason: 'corrupt' },
    ]);
    expect(await store.get(key)).toBeUndefined();
    expect((await store.stats()).missesBy).toEqual({ corrupt: 1, absent: 1 });
    expect(await store.put(key, sampleRecord())).toBe(true);
  });
});

test('layers that are read are uses as well, and a slower tier steps in', async () => {
  const [memory, slow] = [memoryStore({ checkEvery: 1 }), memoryStore()];
  const record = sampleRecord();
  const copy = { ...record, kv: { ...record.kv, data: record.kv.data.slice() } };
  await memory.put(key, record);
  await slow.put(key, copy);
  const store = tieredStore([memory, slow]);
  record.kv.data[7] = (record.kv.data[7] as number) ^ 1;
  const read: number[] = [];
  for await (const { data } of store.getLayers(key)) read.push(...data);
  expect(read).toEqual([...copy.kv.data]);
  await store.flush();
  expect(await memory.get(key)).toEqual(copy);
  expect((await store.stats()).corrupt).toBe(1);
});

test('where nothing is to be checked, nothing is summed', async () => {
  let calls = 0;
  const store = memoryStore({ checkEvery: Infinity, sum: () => calls++ });
  await store.put(key, sampleRecord());
  for (let i = 0; i < 50; i++) await store.get(key);
  expect(calls).toBe(0);
});

test.each([0, -1, 1.5, Number.NaN])('checkEvery %p is refused', (checkEvery) => {
  expect(() => memoryStore({ checkEvery })).toThrow(/checkEvery/);
});
