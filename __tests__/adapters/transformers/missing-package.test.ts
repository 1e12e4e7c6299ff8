import { expect, jest, test } from '@jest/globals';
import { MissingPackageError } from '../../../lib/errors.js';

let former: unknown;
const missing = (): never => {
  throw new Error('Cannot find package');
};
jest.unstable_mockModule('@huggingface/transformers', missing, { virtual: true });
jest.unstable_mockModule(
  '@xenova/transformers',
  () => (former === undefined ? missing() : (former as object)),
  { virtual: true },
);
const { loadTransformersEmbedder } = await import('../../../adapters/transformers/index.js');

test('without either package, the error says what to install; the former one will do', async () => {
  const error = await loadTransformersEmbedder({ model: 'm' }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MissingPackageError);
  expect((error as Error).message).toContain('npm install @huggingface/transformers');
  former = {
    pipeline: async () => async (texts: string[]) => ({
      data: texts.flatMap(() => [0.6, 0.8]),
      dims: [texts.length, 2],
    }),
  };
  const embedder = await loadTransformersEmbedder({ model: 'm' });
  expect(await embedder.embed(['a'], { kind: 'query' })).toEqual([Float32Array.of(0.6, 0.8)]);
  await embedder.dispose();
});
