import { expect, test } from '@jest/globals';
import { splitsPair } from '../../../lib/chunkers/characters.js';
import { approximateTokens, tokenizeDocument } from '../../../lib/index.js';
import { randomPieces } from '../../../lib/testing/chunkers/random-document.js';

test('tokens cover any text, in order, and split no pair', async () => {
  for (let number = 1; number <= 300; number++) {
    const document = { id: 'd', text: randomPieces(number).join('') };
    const { tokens } = await approximateTokens(document);
    // The checks of a document that gets its tokens from a tokenizer.
    await tokenizeDocument(document, { encode: async () => tokens } as never);
    for (let i = 0; i < tokens.ids.length; i++) {
      const piece = document.text.slice(tokens.starts[i], tokens.starts[i + 1]);
      expect(piece.length).toBeGreaterThan(0);
      expect(splitsPair(document.text, tokens.starts[i] as number)).toBe(false);
    }
  }
});

test('English has about four characters a token', async () => {
  const text =
    'The committee considered several alternative proposals before it voted on the second one. ';
  const { tokens } = await approximateTokens({ id: 'd', text: text.repeat(20) });
  const share = (20 * text.length) / tokens.ids.length;
  expect(share).toBeGreaterThan(3.5);
  expect(share).toBeLessThan(6);
});
