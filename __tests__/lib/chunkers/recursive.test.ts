import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { checkChunks, chunkDocument, tokenizeDocument } from '../../../lib/chunk-document.js';
import { chunkerConformance } from '../../../lib/testing/chunker-conformance.js';
import { recursiveChunker } from '../../../lib/chunkers/recursive.js';
import { byteTokenizer, wordTokenizer } from '../../support/tokenizers.js';

const tokenizers = {
  words: wordTokenizer,
  'byte pairs': byteTokenizer,
  bytes: () => byteTokenizer(1),
};

for (const [name, tokenizer] of Object.entries(tokenizers)) {
  for (const maxTokens of [8, 250]) {
    describe(`recursive(${maxTokens}) over ${name}`, () => {
      chunkerConformance({
        test,
        chunker: () => recursiveChunker({ maxTokens }),
        tokenizer,
        maxTokens,
        longLine: maxTokens === 250 ? 1_000_000 : 50_000,
        randomDocuments: 50,
      });
    });
  }
}

async function cut(text: string, options: Parameters<typeof recursiveChunker>[0], format?: string) {
  const document = { id: 'd', text, ...(format && { metadata: { format } }) };
  return chunkDocument(document, {
    tokenizer: wordTokenizer(),
    chunker: recursiveChunker(options),
  });
}

async function texts(text: string, maxTokens: number) {
  const chunks = await cut(text, { maxTokens, minTokens: 0 });
  return chunks.map((chunk) => chunk.text);
}

describe('any text', () => {
  const unit = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom(
      '\n',
      '\r\n',
      '\n\n',
      ' ',
      '. ',
      '# A\n',
      '```\n',
      '。',
      '\ud83d',
      '\udc4d',
      '\0',
      '👩‍👧',
    ),
    fc.stringMatching(/^[a-z .,;\n]{0,40}$/),
  );
  const text = fc.array(unit, { maxLength: 60 }).map((units) => units.join(''));

  for (const [name, tokenizer] of Object.entries(tokenizers)) {
    test(`is cut into exact, ordered passages within the limit, over ${name}`, async () => {
      await fc.assert(
        fc.asyncProperty(text, fc.integer({ min: 4, max: 40 }), async (text, maxTokens) => {
          const document = await tokenizeDocument({ id: 'd', text }, tokenizer());
          const chunker = recursiveChunker({ maxTokens });
          const chunks = await chunker.chunk(document);
          await checkChunks(document, chunks, { chunkerName: chunker.name });
          expect(Math.max(0, ...chunks.map(({ tokens }) => tokens.length))).toBeLessThanOrEqual(
            maxTokens,
          );
          for (const [i, { start }] of chunks.entries()) {
            expect(start).toBeGreaterThanOrEqual(chunks[i - 1]?.end ?? 0);
          }
        }),
        { numRuns: 300 },
      );
    });
  }
});

describe('where it cuts', () => {
  test('paragraphs before lines before sentences before clauses before words', async () => {
    expect(await texts('one two three\nfour\n\nfive six', 6)).toEqual([
      'one two three\nfour',
      'five six',
    ]);
    expect(await texts('one two three\nfour five six', 4)).toEqual([
      'one two three',
      'four five six',
    ]);
    expect(await texts('One two three. Four, five six.', 5)).toEqual([
      'One two three.',
      ' Four, five six.',
    ]);
    expect(await texts('one two, three four five six', 6)).toEqual([
      'one two,',
      ' three four five six',
    ]);
    expect(await texts('one two three four', 4)).toEqual(['one two three four']);
    expect(await texts('alpha bravo-bravo charlie delta', 4)).toEqual([
      'alpha bravo-bravo',
      ' charlie delta',
    ]);
  });

  test('joins neighbours as long as they fit', async () => {
    const chunks = await cut('aa bb cc.\n\n'.repeat(10), { maxTokens: 15 });
    expect(chunks.map(({ tokens }) => tokens.length)).toEqual([14, 14, 14, 4]);
  });

  test('keeps a heading with what it announces', async () => {
    const text = `# Top\n\nword word word.\n\n## Next\n\n${'word '.repeat(20)}end.`;
    const chunks = await texts(text, 16);
    expect(chunks[0]).toBe('# Top\n\nword word word.');
    expect(chunks[1]).toMatch(/^## Next\n\nword/);
  });

  test('a word is cut only when it does not fit by itself', async () => {
    const words = `${'abcdefghijkl '.repeat(30)}${'z'.repeat(100)}`;
    const chunks = await cut(words, { maxTokens: 7 });
    for (const { start } of chunks) {
      if (start === 0 || start > 30 * 13) continue;
      expect(words.slice(start - 1, start + 1)).toMatch(/\s/);
    }
  });

  test('abbreviations, initials, numbers and small letters end no sentence', async () => {
    const text =
      'We met Dr. Smith of the U.S. Navy, e.g. at 3.14 km. Then J. R. Tolkien left. Bye now.';
    const chunks = await texts(text, 26);
    expect(chunks).toEqual([
      'We met Dr. Smith of the U.S. Navy, e.g. at 3.14 km.',
      ' Then J. R. Tolkien left. Bye now.',
    ]);
  });

  test('Chinese sentences end without a space', async () => {
    const chunks = await texts(
      '知识就是力量知识就是力量。学习使人进步学习使人进步。温故而知新。',
      4,
    );
    expect(chunks).toEqual([
      '知识就是力量知识就是力量。',
      '学习使人进步学习使人进步。',
      '温故而知新。',
    ]);
  });

  test('graphemes stay whole where tokens and limit allow', async () => {
    const family = '👩‍👩‍👧‍👦';
    const document = { id: 'd', text: family.repeat(20) };
    const chunks = await chunkDocument(document, {
      tokenizer: byteTokenizer(1),
      chunker: recursiveChunker({ maxTokens: 60 }),
    });
    expect(chunks.every(({ text }) => text === family.repeat(2))).toBe(true);
  });

  test('code keeps the indentation of its first line', async () => {
    const code = `def f():\n${'    call(one, two)\n'.repeat(20)}`;
    const chunks = await texts(code, 30);
    expect(chunks.length).toBeGreaterThan(3);
    for (const chunk of chunks.slice(1)) expect(chunk).toMatch(/^ {4}call/);
  });

  test('fenced code is not cut at its blank lines while other places serve', async () => {
    const text = `Words before.\n\n\`\`\`\none\n\ntwo\n\`\`\`\n\nWords after it, some more of them.`;
    expect(await texts(text, 16)).toEqual([
      'Words before.\n\n```\none\n\ntwo\n```',
      'Words after it, some more of them.',
    ]);
  });

  test('a short last chunk takes text from the one before it', async () => {
    const sentence = 'one two three four. ';
    const chunks = await cut(sentence.repeat(11), { maxTokens: 50, minTokens: 15 });
    expect(Math.min(...chunks.map(({ tokens }) => tokens.length))).toBeGreaterThanOrEqual(15);
    expect(chunks.map(({ text }) => text).join('')).toBe(sentence.repeat(11).trimEnd());
  });

  test('own separators come in their order', async () => {
    const text = 'a; b\nclass A\n  x\n\n  y\nclass B\n  z';
    const chunks = await cut(text, { maxTokens: 9, separators: [{ before: 'class ' }, 'line'] });
    expect(chunks.map((chunk) => chunk.text)).toEqual([
      'a; b',
      'class A\n  x\n\n  y',
      'class B\n  z',
    ]);
    const after = await cut('a b==c d==e f', {
      maxTokens: 4,
      minTokens: 0,
      separators: [{ after: '==' }],
    });
    expect(after.map((chunk) => chunk.text)).toEqual(['a b==', 'c d==', 'e f']);
  });
});

describe('what a chunk says', () => {
  test('its line and the headings above it', async () => {
    const text = '# A #\n\nfirst\n\n## B\n\nsecond\n\n```\n# no\n```\n\n# C\nthird\n';
    const chunks = await cut(text, { maxTokens: 8, minTokens: 0 });
    expect(chunks.map(({ text, metadata }) => [text.split('\n')[0], metadata])).toEqual([
      ['# A #', { line: 1, headings: ['A'] }],
      ['## B', { line: 5, headings: ['A', 'B'] }],
      ['```', { line: 9, headings: ['A', 'B'] }],
      ['# C', { line: 13, headings: ['C'] }],
    ]);
  });

  test('nothing of headings in plain text', async () => {
    const [chunk] = await cut('# a comment\nx = 1', { maxTokens: 50 }, 'text');
    expect(chunk?.metadata).toEqual({ line: 1 });
  });

  test('ids are readable, and stay when other text changes', async () => {
    const before = await cut('One one one.\n\nTwo two two.\n\nOne one one.', { maxTokens: 5 });
    const after = await cut('New new new.\n\nTwo two two.\n\nOne one one.', { maxTokens: 5 });
    expect(before.map(({ id }) => id)).toEqual([
      expect.stringMatching(/^d#[0-9a-f]{12}$/),
      expect.stringMatching(/^d#[0-9a-f]{12}$/),
      `${before[0]?.id}.2`,
    ]);
    expect(after[1]?.id).toBe(before[1]?.id);
    expect(after[2]?.id).toBe(before[0]?.id);
  });
});

describe('options', () => {
  test('out of range are refused', () => {
    for (const options of [
      { maxTokens: 3 },
      { maxTokens: 10.5 },
      { minTokens: -1 },
      { maxTokens: 10, minTokens: 6 },
    ]) {
      expect(() => recursiveChunker(options)).toThrow(/maxTokens|minTokens/);
    }
    expect(() => recursiveChunker({ separators: [{ before: '' }] })).toThrow(/empty/);
    expect(() => recursiveChunker({ separators: ['page' as 'line'] })).toThrow(
      /Unknown separator "page"/,
    );
  });

  test('are in the name', () => {
    expect(recursiveChunker().name).toBe('recursive(250)');
    expect(
      recursiveChunker({ maxTokens: 100, minTokens: 5, separators: ['line', { after: ';' }] }).name,
    ).toBe('recursive(100, min 5, at line>{"after":";"})');
  });

  test('a character of more tokens than the limit is said', async () => {
    const text = 'ab';
    const tokens = {
      ids: new Int32Array(9),
      starts: Int32Array.of(0, 1, -1, -1, -1, -1, -1, -1, -1, 2),
    };
    await expect(
      recursiveChunker({ maxTokens: 4 }).chunk({ id: 'd', text, tokens }),
    ).rejects.toThrow(/8 tokens from offset 1 on have no border/);
  });
});

test('a long text leaves the event loop free, and can be aborted', async () => {
  const document = await tokenizeDocument(
    { id: 'd', text: 'word, '.repeat(300_000) },
    byteTokenizer(4),
  );
  let beats = 0;
  const timer = setInterval(() => beats++, 1);
  await recursiveChunker().chunk(document);
  clearInterval(timer);
  expect(beats).toBeGreaterThan(3);

  const controller = new AbortController();
  const run = recursiveChunker().chunk(document, {
    signal: controller.signal,
    onProgress: () => controller.abort(new Error('enough')),
  });
  await expect(run).rejects.toThrow('enough');
});
