import { expect, jest, test } from '@jest/globals';
import { MissingPackageError } from '../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../lib/testing/index.js';

jest.unstable_mockModule('redis', () => {
  throw new Error('Cannot find package redis');
});
const { redisStore } = await import('../../../adapters/redis/index.js');

test('a store can be made without the package, and its first call says what to install', async () => {
  const store = redisStore({ finite: false });
  for (const call of [
    () => store.get(sampleKey(1)),
    () => store.put(sampleKey(1), sampleRecord()),
    () => store.has(sampleKey(1)),
    () => store.stats(),
  ]) {
    const failed = call().then(
      () => undefined,
      (error: unknown) => error,
    );
    const error = await failed;
    expect(error).toBeInstanceOf(MissingPackageError);
    expect((error as Error).message).toContain('npm install redis');
  }
  await store.close();
});
