import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { type Chunker, chunkDocument, chunksAt, InvalidArgumentError } from '../../../lib/index.js';
import { FakeTokenizer } from '../../../lib/testing/index.js';

const tokenizer = new FakeTokenizer();
const cutAt = (places: Iterable<number>): Chunker => ({
  name: 'places',
  chunk: (document, options) => chunksAt(document, places, options),
});
const cut = (text: string, places: Iterable<number>) =>
  chunkDocument({ id: 'a', text }, { tokenizer, chunker: cutAt(places) });

test('passages begin at the places, in any order, each once', async () => {
  const text = 'One.\n\nTwo.\n\nThree.';
  const chunks = await cut(text, [12, 6, 6, 0, text.length]);
  expect(chunks.map((chunk) => chunk.text)).toEqual(['One.\n\n', 'Two.\n\n', 'Three.']);
  expect(chunks.map(({ metadata }) => metadata?.['line'])).toEqual([1, 3, 5]);
  expect(await cut(' \n ', [1])).toEqual([]);
});

test('whatever the text and the places, the contract of chunkers holds', async () => {
  const texts = fc.string({ unit: 'binary', maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(
      texts,
      fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
      async (text, shares) => {
        const places = shares.map((share) => Math.floor(share * text.length));
        // `chunkDocument` holds them against text and tokens.
        const chunks = await cut(text, places);
        const { starts } = await tokenizer.encode(text);
        const borders = new Set([
          0,
          ...places.map((place) => starts.find((at) => at >= place) ?? -1),
        ]);
        for (const { start } of chunks) expect(borders).toContain(start);
      },
    ),
    { numRuns: 100 },
  );
});

test.each([[-1], [0.5], [Number.NaN], [1e9]])('a place %p is refused', async (place) => {
  await expect(cut('Otters eat fish.', [place])).rejects.toThrow(InvalidArgumentError);
});
