import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { checkedLimits } from '../../../lib/chunkers/limits.js';
import {
  chromaSeparators,
  chunkDocument,
  type Chunker,
  contentDefinedChunker,
  fixedChunker,
  langchainSeparators,
  recursiveChunker,
  sentenceChunker,
  tokenizeDocument,
} from '../../../lib/index.js';
import { byteTokenizer, wordTokenizer } from '../../support/tokenizers.js';

const cut = (text: string, chunker: Chunker, tokenizer = wordTokenizer()) =>
  chunkDocument({ id: 'd', text }, { tokenizer, chunker });
const texts = async (text: string, chunker: Chunker, tokenizer = wordTokenizer()) =>
  (await cut(text, chunker, tokenizer)).map((chunk) => chunk.text);

describe('fixed', () => {
  test('cuts after so many tokens, and repeats as many as asked', async () => {
    const bytes = byteTokenizer(1);
    expect(await texts('abcdefghij', fixedChunker({ maxTokens: 4 }), bytes)).toEqual([
      'abcd',
      'efgh',
      'ij',
    ]);
    expect(
      await texts('abcdefghij', fixedChunker({ maxTokens: 4, overlapTokens: 2 }), bytes),
    ).toEqual(['abcd', 'cdef', 'efgh', 'ghij']);
  });

  test('keeps characters whole', async () => {
    expect(await texts('abc👍🏽de', fixedChunker({ maxTokens: 8 }), byteTokenizer(1))).toEqual([
      'abc',
      '👍🏽',
      'de',
    ]);
  });

  test('knows the headings above', async () => {
    const chunks = await cut(
      '# A\n\none two\n\n## B\n\nthree four five',
      fixedChunker({ maxTokens: 7 }),
    );
    expect(chunks.at(-1)?.metadata).toEqual({ line: 5, headings: ['A', 'B'] });
  });
});

describe('sentence', () => {
  test('fills chunks with whole sentences', async () => {
    const text = 'One two three. Four five Dr. Six. Seven? Eight nine ten eleven.';
    expect(await texts(text, sentenceChunker({ maxTokens: 9 }))).toEqual([
      'One two three.',
      ' Four five Dr. Six. Seven?',
      ' Eight nine ten eleven.',
    ]);
  });

  test('a wrapped line goes on, an item of a list does not', async () => {
    const wrapped = 'one two three\nfour five. Six seven.\nEight nine.';
    expect(await texts(wrapped, sentenceChunker({ maxTokens: 7 }))).toEqual([
      'one two three\nfour five.',
      ' Six seven.\nEight nine.',
    ]);
  });

  test('repeats the end of the chunk before, at a word', async () => {
    const chunks = await texts(
      'One two three four. Five six seven eight. Nine ten.',
      sentenceChunker({ maxTokens: 10, overlapTokens: 3 }),
    );
    expect(chunks).toEqual([
      'One two three four.',
      ' three four. Five six seven eight.',
      ' seven eight. Nine ten.',
    ]);
  });

  test('a sentence that does not fit is cut at a clause or between words', async () => {
    const text = `${'alpha bravo charlie delta, '.repeat(12)}end.`;
    const chunks = await texts(text, sentenceChunker({ maxTokens: 16 }));
    expect(chunks.length).toBeGreaterThan(3);
    for (const chunk of chunks.slice(0, -1)) expect(chunk).toMatch(/delta,$/);
    expect(chunks.join('')).toBe(text);
  });
});

describe('content-defined', () => {
  const words = 'harbour winter engine letter garden silver market bridge window signal'.split(' ');
  const sentence = fc
    .array(fc.constantFrom(...words), { minLength: 3, maxLength: 12 })
    .map((list) => `The ${list.join(' ')}.`);
  const paragraphs = fc
    .array(fc.array(sentence, { minLength: 1, maxLength: 8 }), { minLength: 4, maxLength: 30 })
    .map((list) => list.map((sentences) => sentences.join(' ')).join('\n\n'));

  test('no two neighbours would fit together', async () => {
    await fc.assert(
      fc.asyncProperty(paragraphs, fc.integer({ min: 20, max: 120 }), async (text, maxTokens) => {
        const chunks = await cut(text, contentDefinedChunker({ maxTokens }));
        for (const [i, chunk] of chunks.entries()) {
          const before = chunks[i - 1];
          // Blanks between them count too, so they may be a token or two short of it.
          if (before)
            expect(before.tokens.length + chunk.tokens.length).toBeGreaterThan(maxTokens - 3);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('an edit changes chunks around it, and none far away', async () => {
    const random = Array.from({ length: 400 }, (_, i) => {
      const list = Array.from(
        { length: 4 + ((i * 7) % 9) },
        (_, j) => words[(i * 31 + j * j * 17) % 10],
      );
      return `Number ${i} ${list.join(' ')}.`;
    });
    const chunker = contentDefinedChunker({ maxTokens: 80 });
    const before = await cut(random.join(' '), chunker);
    for (const at of [3, 100, 222, 390]) {
      const edited = random.toSpliced(at, 1, 'Something else was written here.', 'And more of it.');
      const after = await cut(edited.join(' '), chunker);
      const ids = new Set(before.map(({ id }) => id));
      const added = after.filter(({ id }) => !ids.has(id));
      expect(added.length).toBeGreaterThan(0);
      expect(added.length).toBeLessThanOrEqual(4);
    }
  });

  test('paragraphs are joined only where their sentences are', async () => {
    const text = 'One two three. Four five.\n\nSix seven eight. Nine ten.';
    expect(await texts(text, contentDefinedChunker({ maxTokens: 9 }))).toEqual([
      'One two three. Four five.',
      'Six seven eight. Nine ten.',
    ]);
  });
});

test('recursive repeats what it is asked to, and no more', async () => {
  const text = 'one two three four. Five six seven eight. Nine ten eleven twelve. '.repeat(6);
  const chunks = await cut(text, recursiveChunker({ maxTokens: 20, overlapTokens: 6 }));
  for (const [i, chunk] of chunks.entries()) {
    const before = chunks[i - 1];
    if (!before) continue;
    const shared = before.tokenStart + before.tokens.length - chunk.tokenStart;
    expect(shared).toBeGreaterThan(0);
    expect(shared).toBeLessThanOrEqual(6);
  }
});

test('the separators of LangChain and of Chroma cut where theirs do', async () => {
  const text = 'One two.\n\nThree four\nfive six. Seven eight! Nine ten';
  const separators = async (list: typeof chromaSeparators, maxTokens: number) =>
    texts(text, recursiveChunker({ maxTokens, minTokens: 0, separators: list }));
  expect(await separators(langchainSeparators, 8)).toEqual([
    'One two.',
    'Three four',
    'five six. Seven eight! Nine ten',
  ]);
  expect(await separators(chromaSeparators, 6)).toEqual([
    'One two.',
    'Three four',
    'five six',
    '. Seven eight! Nine ten',
  ]);
});

test('a limit smaller than a word cuts inside of it, and that is said', async () => {
  for (const chunker of [recursiveChunker({ maxTokens: 4 }), sentenceChunker({ maxTokens: 4 })]) {
    const chunks = await cut('abcdefghij', chunker, byteTokenizer(1));
    expect(chunks[0]?.metadata).toEqual({ line: 1 });
    expect(chunks[1]?.metadata).toEqual({ line: 1, beginsInside: 'word' });
  }
});

test('pages are counted where there are form feeds', async () => {
  const chunks = await cut('One two.\fThree four.\fFive six.', sentenceChunker({ maxTokens: 5 }));
  expect(chunks.map(({ metadata }) => metadata?.['page'])).toEqual([1, 2, 3]);
});

test('old Macs, Unix and Windows end lines', async () => {
  const chunks = await cut('A b.\rC d.\r\nE f.\nG h.', sentenceChunker({ maxTokens: 5 }));
  expect(chunks.map(({ metadata }) => metadata?.['line'])).toEqual([1, 2, 3, 4]);
});

test('sizes that do not go together are refused', () => {
  expect(() => checkedLimits({ maxTokens: 3 })).toThrow(/at least 4, not 3/);
  expect(() => fixedChunker({ maxTokens: 10, overlapTokens: 10 })).toThrow(
    /half of maxTokens \(10\), not 10/,
  );
  expect(() => sentenceChunker({ maxTokens: 10, overlapTokens: -1 })).toThrow(/overlapTokens/);
  expect(() => contentDefinedChunker({ maxTokens: Number.NaN })).toThrow(/maxTokens/);
});

test('a tokenizer that throws is heard', async () => {
  const broken = {
    ...wordTokenizer(),
    encode: async () => Promise.reject(new Error('no vocabulary')),
  };
  await expect(tokenizeDocument({ id: 'd', text: 'a' }, broken as never)).rejects.toThrow(
    'no vocabulary',
  );
});
