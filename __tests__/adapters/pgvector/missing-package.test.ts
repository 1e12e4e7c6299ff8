import { expect, jest, test } from '@jest/globals';
import { MissingPackageError } from '../../../lib/index.js';

jest.unstable_mockModule('@electric-sql/pglite', () => {
  throw new Error('Cannot find package');
});
const { pgliteIndex } = await import('../../../adapters/pgvector/index.js');

test('without the package it says what to install', async () => {
  const opening = pgliteIndex({ embedder: { fingerprint: 'x', dimensions: 8 } });
  await expect(opening).rejects.toBeInstanceOf(MissingPackageError);
  await expect(opening).rejects.toThrow('npm install @electric-sql/pglite');
});
