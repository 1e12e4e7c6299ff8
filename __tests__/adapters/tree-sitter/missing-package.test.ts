import { expect, jest, test } from '@jest/globals';
import { codeChunker, MissingPackageError } from '../../../lib/index.js';

jest.unstable_mockModule('web-tree-sitter', () => {
  throw new Error('Cannot find package web-tree-sitter');
});
const { treeSitterParser } = await import('../../../adapters/tree-sitter/index.js');

test('a chunker can be made without the package, and its first text says what to install', async () => {
  const chunker = codeChunker({ parser: treeSitterParser({ grammar: 'none.wasm' }) });
  const tokens = { ids: Int32Array.of(1), starts: Int32Array.of(0, 1) };
  const error = await chunker.chunk({ id: 'd', text: 'x', tokens }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(MissingPackageError);
  expect((error as Error).message).toContain('npm install web-tree-sitter');
});
