import { writeFile, readFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { array, assert, asyncProperty, constantFrom, oneof, string } from 'fast-check';
import type { TinyVocabularyOptions } from '../../../adapters/ggml/tiny-model/vocabulary.js';
import { createTokenizer, type NativeTokenizer } from '../../../adapters/ggml/tokenizer.js';
import { DisposedError, InvalidArgumentError, ModelFileError } from '../../../lib/errors.js';
import { realModel } from '../../support/ggml/real-model.js';
import { vocabularyFile } from '../../support/ggml/vocabulary-file.js';
import { runtime, tinyFile } from '../../support/native.js';

const vocabularies: Record<string, TinyVocabularyOptions> = {
  'byte-level BPE': { kind: 'bpe' },
  'BPE of Llama 3': { kind: 'bpe', pre: 'llama-bpe' },
  'BPE of Qwen': { kind: 'bpe', pre: 'qwen2' },
  'BPE whose pre-tokenizer is recursive': { kind: 'bpe', pre: 'tekken' },
  SentencePiece: { kind: 'spm' },
  'SentencePiece with a space prefix': { kind: 'spm', spacePrefix: true },
};

/** What a tokenizer makes of lone surrogates. */
const wellFormed = (text: string): string => Buffer.from(text).toString();

/** Pieces of text that tokenizers treat in ways of their own. */
const odd = [
  'a',
  'b',
  ' ',
  '  ',
  '\n',
  '\n\n',
  '\t',
  'the ',
  ' that',
  "'s",
  '1',
  '23',
  '.',
  '!',
  '<',
  '<|im_end|>',
  '<|im_start|>',
  '<s>',
  '</s>',
  '<unk>',
  '<mark>',
  '<0x41>',
  '<end_of_turn>',
  'é',
  '中',
  '。',
  '文',
  '▁',
  '▁▁',
  '\ud83d',
  '\ude00',
  '😀',
  '\0',
  '\ufeff',
  '\ufffd',
];
const anyText = oneof(
  string({ unit: 'binary', maxLength: 100 }),
  string({ unit: constantFrom(...odd), maxLength: 60 }),
);
const words = [
  'the',
  'that',
  'it',
  'says',
  'naïve',
  'x1',
  '2024',
  'end.',
  '"quoted"',
  '(so)',
  '--',
  'fox',
  'jumps',
  'over',
  'lazy',
  'dogs',
  "it's",
  'U.S.',
  'é',
  '日本語、中文。',
  '😀',
];
const gaps = [' ', ' ', ' ', '\n', '\n\n', '  ', ', '];

const equal = (a: Int32Array, b: Int32Array): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

const files = new Map<string, Promise<string>>();
const fileOf = (options: TinyVocabularyOptions): Promise<string> => {
  const key = JSON.stringify(options);
  const found = files.get(key) ?? vocabularyFile(options);
  files.set(key, found);
  return found;
};

const load = async (options: TinyVocabularyOptions, more = {}): Promise<NativeTokenizer> =>
  createTokenizer(runtime(), await fileOf(options), more);

function common(open: (options?: { slice?: number }) => Promise<NativeTokenizer>, lacks?: RegExp) {
  let tokenizer: NativeTokenizer;
  let sliced: NativeTokenizer;
  beforeAll(async () => {
    tokenizer = await open();
    sliced = await open({ slice: 8 });
  });
  afterAll(async () => {
    await tokenizer.dispose();
    await sliced.dispose();
  });
  const expected = (text: string): string =>
    lacks
      ? wellFormed(text).replace(lacks, (found) => '\ufffd'.repeat(found.length))
      : wellFormed(text);

  test('any text comes back, whole or in slices, and never holds a special token', async () => {
    await assert(
      asyncProperty(anyText, async (text) => {
        for (const each of [tokenizer, sliced]) {
          const { ids, starts } = await each.encode(text);
          expect(each.decode(ids)).toBe(expected(text));
          expect(starts).toHaveLength(ids.length + 1);
          expect(starts[ids.length]).toBe(text.length);
          expect(ids.some((id) => each.isSpecial(id))).toBe(false);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('tokens begin where it says', async () => {
    await assert(
      asyncProperty(anyText, async (text) => {
        const { ids, starts } = await tokenizer.encode(text);
        const bytes = [...ids].map((id) => tokenizer.bytes(id));
        const whole = Buffer.from(expected(text));
        let at = 0;
        for (let i = 0; i < ids.length; i++) {
          const start = starts[i] as number;
          if (start >= 0) expect(Buffer.byteLength(expected(text.slice(0, start)))).toBe(at);
          // -1 only in the middle of a character, where a continuation byte stands.
          else if (!lacks) expect((whole[at] as number) >> 6).toBe(2);
          at += (bytes[i] as Uint8Array).length;
        }
        expect(at).toBe(whole.length);
      }),
      { numRuns: 300 },
    );
  });

  test('slices of a text of words have the tokens of the whole', async () => {
    const someWords = array(constantFrom(...words), { maxLength: 80 });
    const someGaps = array(constantFrom(...gaps), { minLength: 1 });
    await using pieces = await open({ slice: 64 });
    await assert(
      asyncProperty(someWords, someGaps, async (parts, between) => {
        const text = parts.map((part, i) => part + between[i % between.length]).join('');
        const whole = await tokenizer.encode(text);
        const cut = await pieces.encode(text);
        expect(equal(cut.ids, whole.ids)).toBe(true);
        expect(equal(cut.starts, whole.starts)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('special tokens are parsed where they are asked for', async () => {
    const id = tokenizer.eos;
    const name = tokenizer.name(id);
    const text = `one ${name}${name} two`;
    const plain = await tokenizer.encode(text);
    const parsed = await tokenizer.encode(text, { special: true });
    expect([...plain.ids]).not.toContain(id);
    expect([...parsed.ids].filter((token) => token === id)).toHaveLength(2);
    const first = parsed.ids.indexOf(id);
    expect(parsed.starts[first]).toBe(4);
    expect(parsed.starts[first + 1]).toBe(4 + name.length);
    expect(parsed.starts[first + 2]).toBe(4 + 2 * name.length);
    expect(tokenizer.decode(parsed.ids)).toBe('one  two');
    expect(tokenizer.decode(parsed.ids, { special: true })).toBe(text);
    expect(tokenizer.isSpecial(id)).toBe(true);
    expect(tokenizer.isEndOfGeneration(id)).toBe(true);
    expect(tokenizer.bytes(id)).toHaveLength(0);
  });

  test('tokens out of range are refused', () => {
    for (const token of [-1, tokenizer.vocabSize, 0.5, Number.NaN]) {
      expect(() => tokenizer.decode([token])).toThrow(InvalidArgumentError);
      expect(() => tokenizer.bytes(token)).toThrow(InvalidArgumentError);
      expect(() => tokenizer.name(token)).toThrow(InvalidArgumentError);
      expect(() => tokenizer.isSpecial(token)).toThrow(InvalidArgumentError);
      expect(() => tokenizer.isEndOfGeneration(token)).toThrow(InvalidArgumentError);
    }
  });

  test('a text without borders is cut, comes back, and has the same ids each time', async () => {
    for (const text of ['a'.repeat(70_000), '中'.repeat(40_000), '='.repeat(40_000)]) {
      const first = await tokenizer.encode(text);
      expect(tokenizer.decode(first.ids) === text).toBe(true);
      expect(equal((await tokenizer.encode(text)).ids, first.ids)).toBe(true);
    }
  });
}

describe.each(Object.entries(vocabularies))('%s', (_name, options) => {
  common((more) => load(options, more));
});

const real = realModel();
(real ? describe : describe.skip)('a real model', () => {
  common(
    (more) => createTokenizer(runtime(), real as string, more),
    // SmolLM2 has no tokens for these bytes.
    /smollm2/i.test(real ?? '')
      ? // oxlint-disable-next-line no-control-regex
        /[\u0004\u0006\u0013\u0014\u0016\u001d\u{40000}-\u{bffff}]/gu
      : undefined,
  );
});

test.each(['default', 'tekken', 'gpt-4o', 'deepseek-llm', 'falcon', 'bloom', 'viking', 'smollm'])(
  'long runs under the pre-tokenizer %s do not end the process',
  async (pre) => {
    await using tokenizer = await load({ kind: 'bpe', pre });
    for (const run of ['a', ' ', '.', '中', '\n', '1', 'aB3+', '\u0301', '\u3000', '\u00a0x']) {
      const text = run.repeat(20_000 / run.length);
      const { ids } = await tokenizer.encode(text);
      expect(tokenizer.decode(ids) === text).toBe(true);
    }
  },
);

test('ids are those of libllama', async () => {
  await using tokenizer = await load({ kind: 'bpe', pre: 'llama-bpe' });
  const { llama } = runtime();
  const text = 'The fox says: "it is what it is", and that\n\nis all for 2024 — naïvely.';
  const bytes = Buffer.from(text);
  const ids = new Int32Array(200);
  const count = llama.tokenize(tokenizer.vocabulary, bytes, bytes.length, ids, 200, false, false);
  expect([...(await tokenizer.encode(text)).ids]).toEqual([...ids.subarray(0, count)]);
});

test('a large text leaves the event loop free', async () => {
  await using tokenizer = await load({ kind: 'spm' });
  const text = 'that is what the one says, and it is in the end for all of them. '.repeat(60_000);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const { ids, starts } = await tokenizer.encode(text);
  delay.disable();
  expect(starts[ids.length]).toBe(text.length);
  // Steps take some milliseconds; the rest is room for a busy machine.
  expect(delay.percentile(99) / 1e6).toBeLessThan(50);
});

test('an abort stops a long call with its reason', async () => {
  await using tokenizer = await load({ kind: 'bpe' });
  const controller = new AbortController();
  const text = 'some words '.repeat(500_000);
  const running = tokenizer.encode(text, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 10);
  await expect(running).rejects.toThrow('enough');
  await expect(tokenizer.encode('a', { signal: controller.signal })).rejects.toThrow('enough');
});

test('disposal waits for running calls and for those who retain the vocabulary', async () => {
  const tokenizer = await load({ kind: 'bpe' });
  const text = 'some words '.repeat(20_000);
  const running = tokenizer.encode(text);
  const release = tokenizer.retain();
  const disposed = tokenizer.dispose();
  const { ids } = await running;
  expect(ids.length).toBeGreaterThan(20_000);
  await disposed;
  await tokenizer.dispose();
  expect(runtime().llama.vocabSize(tokenizer.vocabulary)).toBe(tokenizer.vocabSize);
  release();
  release();
  await expect(tokenizer.encode('a')).rejects.toThrow(DisposedError);
  expect(() => tokenizer.name(3)).toThrow(DisposedError);
  expect(() => tokenizer.retain()).toThrow(DisposedError);
});

const fingerprint = async (path: string, more = {}): Promise<string> => {
  await using tokenizer = await createTokenizer(runtime(), path, more);
  return tokenizer.fingerprint;
};

describe('the fingerprint', () => {
  test('is that of the vocabulary, not of weights and templates', async () => {
    const same = await Promise.all([
      tinyFile({ architecture: 'llama' }),
      tinyFile({ architecture: 'qwen3', seed: 3, chatTemplate: 'x' }),
    ]);
    expect(await fingerprint(same[0])).toBe(await fingerprint(same[1]));
  });

  test.each<[string, Parameters<typeof vocabularyFile>[1]]>([
    ['a token', (parts) => (parts.tokens[300] = 'Ġother')],
    ['a kind', (parts) => (parts.kinds[300] = 4)],
    ['a merge', (parts) => (parts.merges = parts.merges.toReversed())],
    ['the pre-tokenizer', (_, values) => values.set('tokenizer.ggml.pre', 'qwen2')],
    ['BOS', (_, values) => values.set('tokenizer.ggml.add_bos_token', true)],
  ])('changes with %s', async (_name, change) => {
    const plain = await fileOf({ kind: 'bpe' });
    const changed = await vocabularyFile({ kind: 'bpe' }, change);
    expect(await fingerprint(changed)).not.toBe(await fingerprint(plain));
  });

  test('changes with the size of the slices, which ids may depend on', async () => {
    const path = await fileOf({ kind: 'bpe' });
    expect(await fingerprint(path, { slice: 64 })).not.toBe(await fingerprint(path));
  });
});

test('characters that the vocabulary lacks become U+FFFD, in their places', async () => {
  const path = await vocabularyFile({ kind: 'bpe' }, ({ tokens }) => {
    // The letters of the bytes 0x04 and 0xF1.
    for (const letter of ['Ą', 'ñ']) tokens[tokens.indexOf(letter)] = `no ${letter}`;
  });
  await using tokenizer = await createTokenizer(runtime(), path);
  const text = `a\u0004b\u{40000}c${'x'.repeat(600)}`;
  const { ids, starts } = await tokenizer.encode(text);
  expect(tokenizer.decode(ids)).toBe(`a\ufffdb\ufffd\ufffdc${'x'.repeat(600)}`);
  const b = [...ids].findIndex((id) => tokenizer.name(id) === 'b');
  const c = [...ids].findIndex((id) => tokenizer.name(id) === 'c');
  expect([starts[b], starts[c]]).toEqual([2, 5]);
  expect([...starts]).not.toContain(4);
});

test('special tokens that merges spell are disarmed', async () => {
  const path = await vocabularyFile({ kind: 'spm' }, ({ tokens, kinds, scores }) => {
    for (const token of ['<', '>', '/', '<s', '</', '</s']) {
      tokens.push(token);
      kinds.push(1);
      scores.push(1);
    }
  });
  await using tokenizer = await createTokenizer(runtime(), path);
  for (const text of ['<s>', 'x <s></s> y', '</s>'.repeat(300)]) {
    const { ids, starts } = await tokenizer.encode(text);
    expect([...ids].some((id) => tokenizer.isSpecial(id))).toBe(false);
    expect(tokenizer.decode(ids)).toBe(text);
    expect(starts[ids.length]).toBe(text.length);
  }
});

describe('refuses', () => {
  test.each<[string, TinyVocabularyOptions, Parameters<typeof vocabularyFile>[1]]>([
    ['a token that is there twice', { kind: 'bpe' }, ({ tokens }) => (tokens[9] = tokens[8] ?? '')],
    [
      'tokens that differ after a zero byte',
      { kind: 'bpe' },
      ({ tokens }) => (tokens[300] = 'A\0'),
    ],
    ['SentencePiece without a byte', { kind: 'spm' }, ({ tokens }) => (tokens[20] = 'gone')],
    ['BPE without a byte', { kind: 'bpe' }, ({ tokens }) => (tokens[tokens.indexOf('Ģ')] = 'gone')],
    [
      'an unknown tokenizer',
      { kind: 'bpe' },
      (_, values) => values.set('tokenizer.ggml.model', 'bert'),
    ],
    [
      'an unknown pre-tokenizer',
      { kind: 'bpe' },
      (_, values) => values.set('tokenizer.ggml.pre', 'x'),
    ],
    ['an empty vocabulary', { kind: 'bpe' }, (parts) => (parts.tokens = [])],
    ['too few kinds', { kind: 'bpe' }, (parts) => (parts.kinds = [1])],
    ['too few scores', { kind: 'spm' }, (parts) => (parts.scores = [1])],
  ])('%s', async (_name, options, change) => {
    const path = await vocabularyFile(options, change);
    await expect(createTokenizer(runtime(), path)).rejects.toThrow(ModelFileError);
  });

  test('a file that is none, and slices of no size', async () => {
    const path = await fileOf({ kind: 'bpe' });
    const cut = `${path}.cut`;
    await writeFile(cut, (await readFile(path)).subarray(0, 3000));
    await expect(createTokenizer(runtime(), cut)).rejects.toThrow(ModelFileError);
    await expect(createTokenizer(runtime(), `${path}.none`)).rejects.toThrow(ModelFileError);
    await expect(createTokenizer(runtime(), path, { slice: 1 })).rejects.toThrow(
      InvalidArgumentError,
    );
  });
});
