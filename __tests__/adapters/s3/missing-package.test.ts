import { expect, jest, test } from '@jest/globals';
import { MissingPackageError } from '../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../lib/testing/index.js';

jest.unstable_mockModule('@aws-sdk/client-s3', () => {
  throw new Error('Cannot find package');
});
const { s3Store } = await import('../../../adapters/s3/index.js');

test('a store can be made without the package, and its first call says what to install', async () => {
  const store = s3Store({ bucket: 'kv', finite: false });
  for (const call of [
    () => store.get(sampleKey(1)),
    () => store.put(sampleKey(1), sampleRecord()),
    () => store.has(sampleKey(1)),
    () => store.stats(),
  ]) {
    const error: unknown = await call().catch((problem: unknown) => problem);
    expect(error).toBeInstanceOf(MissingPackageError);
    expect((error as Error).message).toContain('npm install @aws-sdk/client-s3');
  }
  await store.close();
});
