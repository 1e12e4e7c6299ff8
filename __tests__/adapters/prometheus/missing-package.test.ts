import { expect, jest, test } from '@jest/globals';
import { MissingPackageError } from '../../../lib/index.js';

jest.unstable_mockModule('prom-client', () => {
  throw new Error('Cannot find package');
});
const { storeMetrics } = await import('../../../adapters/prometheus/index.js');

test('without the package, the error says what to install', async () => {
  const failed = storeMetrics();
  await expect(failed).rejects.toThrow(MissingPackageError);
  await expect(failed).rejects.toThrow('npm install prom-client');
});
