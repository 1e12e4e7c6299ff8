import { expect, test } from '@jest/globals';
import { InvalidArgumentError, memoryStore } from '../../../lib/index.js';
import { sampleKey, sampleRecord, storeConformance } from '../../../lib/testing/index.js';

storeConformance({ test }, { name: 'memory', create: memoryStore });

test('records are kept by reference', async () => {
  const store = memoryStore();
  const record = sampleRecord();
  await store.put(sampleKey(1), record);
  expect(await store.get(sampleKey(1))).toBe(record);
});

test.each([0, -1, 1.5, Number.NaN])('a bound of %p is refused', (maxBytes) => {
  expect(() => memoryStore({ maxBytes })).toThrow(InvalidArgumentError);
});
