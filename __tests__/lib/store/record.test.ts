import { expect, test } from '@jest/globals';
import { InvalidArgumentError, recordInfo, recordLayers } from '../../../lib/index.js';
import { sampleRecord } from '../../../lib/testing/store-conformance.js';

/** Holds the layers 1 to 4 of 5. */
const record = sampleRecord({ layers: 5, from: 1, to: 4 });
const { kv } = record;
/** Five tokens, twelve numbers of two bytes each. */
const layerBytes = 5 * (8 + 4) * 2;

test('layers of a record are its bytes, one layer after another', () => {
  const layers = [...recordLayers(kv)];
  expect(layers.map(({ layers }) => layers)).toEqual([
    { from: 1, to: 2 },
    { from: 2, to: 3 },
    { from: 3, to: 4 },
  ]);
  expect(layers.map(({ data }) => data.length)).toEqual([layerBytes, layerBytes, layerBytes]);
  expect(Buffer.concat(layers.map(({ data }) => data)).equals(kv.data)).toBe(true);
  expect(layers.every(({ data }) => data.buffer === kv.data.buffer)).toBe(true);
});

test.each([
  [{ from: 2, to: 3 }, [2]],
  [{ from: 0, to: 2 }, [1]],
  [{ from: 3, to: 9 }, [3]],
  [{ from: 4, to: 5 }, []],
  [{ from: 2, to: 2 }, []],
])('of the layers %j those that it holds', (wanted, held) => {
  expect(Array.from(recordLayers(kv, wanted), ({ layers }) => layers.from)).toEqual(held);
  for (const { layers, data } of recordLayers(kv, wanted)) {
    const at = (layers.from - 1) * layerBytes;
    expect(Buffer.from(data).equals(kv.data.subarray(at, at + layerBytes))).toBe(true);
  }
});

test.each([
  { from: 3, to: 1 },
  { from: -1, to: 1 },
  { from: 0.5, to: 1 },
  { from: 0, to: NaN },
])('the layers %j are no range', (wanted) => {
  expect(() => [...recordLayers(kv, wanted)]).toThrow(InvalidArgumentError);
});

test('what is known of a record has no keys and values, and says what a store adds', () => {
  const info = recordInfo('key', record);
  expect(info).toMatchObject({ key: 'key', codec: 'f16', lastUsed: record.created, hits: 0 });
  expect(info).toMatchObject({ layout: kv.layout, layers: kv.layers, computeMs: record.computeMs });
  expect(info.bytes).toBeGreaterThanOrEqual(3 * layerBytes);
  expect(Object.keys(info)).not.toContain('kv');
  expect(Object.keys(info)).not.toContain('data');
  const kept = { bytes: 7, codec: 'q8', lastUsed: 8, hits: 9 };
  expect(recordInfo('key', record, kept)).toMatchObject(kept);
});
