import { expect, test } from '@jest/globals';
import { signalsOf } from '../../../bench/chunking/signals.js';
import { approximateTokens, type TokenLosses } from '../../../lib/index.js';
import { HashingEmbedder } from '../../../lib/testing/index.js';

test('what chunkers go by stands where the sentences do', async () => {
  const sentences = ['Cats drink milk. ', 'Cats drink milk. ', 'Engines turn fast wheels.'];
  const document = await approximateTokens({ id: 'd', text: sentences.join('') });
  // Each token's loss is its number; a word's token begins with the space before it.
  const losses: TokenLosses = {
    fingerprint: 'numbers',
    lossesOf: async (ids) => Float32Array.from(ids, (_, i) => i),
  };
  const embedder = new HashingEmbedder({ dimensions: 64 });
  const [loss, distance, ...more] =
    (await signalsOf([document], { losses, embedder })).get('d') ?? [];
  expect(more).toEqual([]);
  expect(loss?.points.map(({ at }) => at)).toEqual([0, 16, 33]);
  const values = loss?.points.map(({ value }) => value) ?? [];
  expect(values).toEqual(values.toSorted((a, b) => a - b));
  expect(distance?.points.map(({ at }) => at)).toEqual([16, 33]);
  expect(distance?.points[0]?.value).toBeCloseTo(0, 5);
  expect(distance?.points[1]?.value).toBeGreaterThan(0.5);
  const none = { losses: undefined, embedder: undefined };
  expect((await signalsOf([document], none)).get('d')).toEqual([]);
});
