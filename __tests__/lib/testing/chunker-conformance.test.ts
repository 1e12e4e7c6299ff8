import { expect, test } from '@jest/globals';
import {
  type Chunk,
  type Chunker,
  fixedChunker,
  sentenceChunker,
  type TokenizedDocument,
} from '../../../lib/index.js';
import { chunkerConformance } from '../../../lib/testing/index.js';
import { fewestPieces, randomPieces } from '../../../lib/testing/chunkers/random-document.js';
import { byteTokenizer } from '../../support/tokenizers.js';

type Change = (chunks: Chunk[], document: TokenizedDocument) => Chunk[];

/** Names of the tests that fail for a sound chunker whose result is changed. */
async function failures(change: Change, options: { readonly maxTokens?: number } = {}) {
  const sound = sentenceChunker({ maxTokens: 30 });
  return failuresOf(
    {
      name: 'changed',
      chunk: async (document, chunkOptions) =>
        change(await sound.chunk(document, chunkOptions), document),
    },
    options,
  );
}

async function failuresOf(chunker: Chunker, options: { readonly maxTokens?: number } = {}) {
  const tests: [string, () => Promise<void>][] = [];
  chunkerConformance({
    test: (name, run) => void tests.push([name, run]),
    chunker: () => chunker,
    tokenizer: () => byteTokenizer(1),
    maxTokens: 30,
    longLine: 1000,
    randomDocuments: 12,
    ...options,
  });
  const failed: string[] = [];
  for (const [name, run] of tests) await run().catch(() => failed.push(name));
  return failed;
}

test('a sound chunker passes', async () => {
  expect(await failures((chunks) => chunks)).toEqual([]);
});

test.each<[string, Change]>([
  ['loses text', (chunks) => chunks.slice(1)],
  [
    'has spans that are off',
    (chunks) => chunks.map((chunk) => ({ ...chunk, start: chunk.start + 1 })),
  ],
  ['changes text', (chunks) => chunks.map((chunk) => ({ ...chunk, text: `${chunk.text}.` }))],
  ['comes out of order', (chunks) => chunks.toReversed()],
  ['repeats itself', (chunks) => chunks.flatMap((chunk) => [chunk, chunk])],
  [
    'is never the same',
    (chunks) => chunks.map((chunk) => ({ ...chunk, id: `${chunk.id}${Math.random()}` })),
  ],
])('one that %s fails', async (_what, change) => {
  expect((await failures(change)).length).toBeGreaterThan(3);
});

test('one over the limit fails', async () => {
  expect((await failures((chunks) => chunks, { maxTokens: 20 })).length).toBeGreaterThan(3);
});

test('one that overlaps without being asked fails', async () => {
  expect(
    (await failuresOf(fixedChunker({ maxTokens: 30, overlapTokens: 5 }))).length,
  ).toBeGreaterThan(3);
});

test('one that cuts through characters fails', async () => {
  const careless: Chunker = {
    name: 'careless',
    chunk: async ({ id, text, tokens }) => {
      const chunks: Chunk[] = [];
      for (let from = 0; from < tokens.ids.length;) {
        let to = Math.min(tokens.ids.length, from + 7);
        while ((tokens.starts[to] as number) < 0) to++;
        const start = tokens.starts[from] as number;
        const end = tokens.starts[to] as number;
        const part = text.slice(start, end);
        if (/\S/.test(part)) {
          const ids = tokens.ids.slice(from, to);
          chunks.push({
            id: `${id}#${from}`,
            documentId: id,
            start,
            end,
            text: part,
            tokens: ids,
            tokenStart: from,
          });
        }
        from = to;
      }
      return chunks;
    },
  };
  const failed = await failuresOf(careless);
  expect(failed).toEqual(
    expect.arrayContaining(['cuts emoji', 'cuts stacked marks', 'stops when aborted']),
  );
});

test('random documents are the same in every run, of many kinds, and are reduced to what fails', async () => {
  expect(randomPieces(7)).toEqual(randomPieces(7));
  const all = Array.from({ length: 300 }, (_, i) => randomPieces(i + 1).join('')).join('');
  for (const kind of [
    /\p{Script=Han}/u,
    /\p{Script=Arabic}/u,
    /\r\n/,
    /\0/,
    /\p{Extended_Pictographic}/u,
  ]) {
    expect(all).toMatch(kind);
  }
  expect(all).toMatch(/\p{Cs}/u);
  const text = await fewestPieces(['a', 'bad', 'c', 'd'], async (part) => part.includes('bad'));
  expect(text).toBe('bad');
});
