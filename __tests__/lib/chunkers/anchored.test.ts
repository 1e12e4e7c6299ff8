import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { type Chunk, chunkDocument, recursiveChunker } from '../../../lib/index.js';
import { seededInteger, seededRandom } from '../../../lib/random.js';
import { chunkerConformance } from '../../../lib/testing/index.js';
import { randomDocuments } from '../../support/soak.js';
import { wordTokenizer } from '../../support/tokenizers.js';

const tokenizer = wordTokenizer();
const anchored = recursiveChunker({ maxTokens: 40, anchored: true });

describe('anchored', () => {
  chunkerConformance({
    test,
    chunker: () => anchored,
    tokenizer: wordTokenizer,
    maxTokens: 40,
    longLine: 20_000,
    ...randomDocuments(20),
  });
});

/** Short paragraphs of sentences of unlike length, as in a speech: greedy packing seldom meets an old border there. */
function speech(seed: number, paragraphs: number): string[] {
  const random = seededRandom(seed);
  const words = (count: number) =>
    Array.from({ length: count }, () => `w${seededInteger(random, 5000)}`).join(' ');
  return Array.from({ length: paragraphs }, () => `A${words(4 + seededInteger(random, 22))}.`);
}

const cut = (paragraphs: readonly string[], chunker = anchored): Promise<Chunk[]> =>
  chunkDocument({ id: 'd', text: paragraphs.join('\n\n') }, { tokenizer, chunker });

test('an edit moves borders around it only, however long the text is', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 0, max: 239 }),
      async (seed, at) => {
        const before = speech(seed, 240);
        const after = before.toSpliced(at, 0, 'Seventeen grey herons circled.');
        const known = new Set((await cut(before)).map(({ id }) => id));
        const chunks = await cut(after);
        expect(chunks.filter(({ id }) => !known.has(id)).length).toBeLessThanOrEqual(16);
        expect(chunks.length).toBeGreaterThan(70);
      },
    ),
    { numRuns: 20 },
  );
});

test('where packing on never meets an old border again, it does, and makes few more chunks', async () => {
  const plain = recursiveChunker({ maxTokens: 40 });
  const random = seededRandom(5);
  // As many in each chunk: one more paragraph moves every border behind it.
  const even = Array.from({ length: 240 }, () =>
    Array.from({ length: 5 }, () => `W${seededInteger(random, 5000)}`).join(' '),
  );
  const after = even.toSpliced(20, 0, even[40]!.toLowerCase());
  for (const [chunker, most] of [
    [anchored, 10],
    [plain, Infinity],
  ] as const) {
    const known = new Set((await cut(even, chunker)).map(({ id }) => id));
    const fresh = (await cut(after, chunker)).filter(({ id }) => !known.has(id)).length;
    expect(fresh).toBeLessThanOrEqual(most);
    if (chunker === plain) expect(fresh).toBeGreaterThan(40);
  }
  expect((await cut(even)).length).toBeLessThan(1.3 * (await cut(even, plain)).length);
});

test('a text that is shorter than two reaches is cut as ever', async () => {
  const short = speech(3, 6);
  const plain = recursiveChunker({ maxTokens: 40 });
  expect((await cut(short)).map(({ id }) => id)).toEqual(
    (await cut(short, plain)).map(({ id }) => id),
  );
});
