import { expect, jest, test } from '@jest/globals';
import { MissingPackageError } from '../../../lib/index.js';

jest.unstable_mockModule('@opentelemetry/api', () => {
  throw new Error('Cannot find package');
});
const { storeMetrics } = await import('../../../adapters/opentelemetry/index.js');

test('without the package, the error says what to install', async () => {
  const failed = storeMetrics();
  await expect(failed).rejects.toThrow(MissingPackageError);
  await expect(failed).rejects.toThrow('npm install @opentelemetry/api');
});
