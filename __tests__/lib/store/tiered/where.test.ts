import { expect, test } from '@jest/globals';
import { memoryStore, tieredStore } from '../../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../../lib/testing/index.js';
import { StandIn } from './support.js';

test('names the fastest tier that has a record, and passes over one that fails', async () => {
  const near = new StandIn();
  const far = memoryStore();
  const store = tieredStore([
    { store: near, name: 'near' },
    { store: far, name: 'far' },
  ]);
  const [both, behind, none] = [sampleKey(1), sampleKey(2), sampleKey(3)];
  await store.put(both, sampleRecord());
  await far.put(behind, sampleRecord());
  expect(await store.where(both)).toBe('near');
  expect(await store.where(behind)).toBe('far');
  expect(await store.where(none)).toBeUndefined();
  near.before = (method) => {
    if (method === 'has') throw new Error('down');
  };
  expect(await store.where(both)).toBe('far');
  await expect(store.where('no key')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await store.close();
  await expect(store.where(both)).rejects.toMatchObject({ code: 'DISPOSED' });
});
