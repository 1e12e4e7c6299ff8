import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type GgmlEmbedder,
  loadEmbedder,
  type LoadEmbedderOptions,
  loadEngine,
} from '../../../adapters/ggml/index.js';
import { readGguf } from '../../../adapters/ggml/gguf.js';
import { windowsOf } from '../../../adapters/ggml/embedder/windows.js';
import { convertSentenceTransformers } from '../../../adapters/models/index.js';
import {
  ComputeError,
  DisposedError,
  InvalidArgumentError,
  ModelFileError,
  UnsupportedArchitectureError,
} from '../../../lib/errors.js';
import { scratch, tinyFile } from '../../support/native.js';
import {
  cosine,
  type TinyBert,
  type TinyBertOptions,
  writeTinyBert,
} from '../../support/tiny-bert.js';

const texts = [
  'the otter',
  '',
  'fishing river',
  'an otter fishes in the river , and zebras do not .',
  'x',
  'the quick brown fox jumps over the lazy dog',
];
const passage = { kind: 'passage' } as const;
const loaded: GgmlEmbedder[] = [];
afterAll(() => Promise.all(loaded.map((embedder) => embedder.dispose())));

async function make(
  options: TinyBertOptions = {},
  type: 'f32' | 'f16' | 'q8_0' = 'f32',
): Promise<{ bert: TinyBert; path: string }> {
  const folder = await mkdtemp(join(scratch, 'bert-'));
  const bert = await writeTinyBert(folder, options);
  const path = join(folder, `${type}.gguf`);
  await convertSentenceTransformers({ folder, target: path, type });
  return { bert, path };
}

async function load(path: string, more: Partial<LoadEmbedderOptions> = {}): Promise<GgmlEmbedder> {
  const hashCache = join(scratch, 'hashes.json');
  const embedder = await loadEmbedder({
    model: path,
    device: 'cpu',
    threads: 2,
    hashCache,
    ...more,
  });
  loaded.push(embedder);
  return embedder;
}

const reasonOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

let plain: { bert: TinyBert; path: string };
let embedder: GgmlEmbedder;
beforeAll(async () => {
  plain = await make();
  embedder = await load(plain.path);
});

describe('a random model, against the same computed without a library', () => {
  test.each([
    ['f32', 'F32', 'mean', 0.99999],
    ['f32', 'F16', 'cls', 0.9999],
    ['f16', 'F32', 'mean', 0.999],
    ['f16', 'BF16', 'mean', 0.999],
    ['q8_0', 'F32', 'cls', 0.98],
  ] as const)('%s of %s, pooling by %s', async (type, stored, pooling, least) => {
    const { bert, path } = await make({ pooling, stored }, type);
    const vectors = await (await load(path)).embed(texts, passage);
    for (const [i, text] of texts.entries()) {
      const vector = vectors[i]!;
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
      expect(cosine(vector, bert.embed(bert.ids(text)))).toBeGreaterThan(least);
    }
    // Another pooling is another vector, so the comparison would see it.
    const other = pooling === 'mean' ? 'cls' : 'mean';
    expect(cosine(vectors[3]!, bert.embed(bert.ids(texts[3]!), other))).toBeLessThan(0.97);
  });

  test('many texts in several batches come out in their order', async () => {
    const many = Array.from({ length: 150 }, (_, i) => texts[i % texts.length]!);
    const [some, all] = [await embedder.embed(texts, passage), await embedder.embed(many, passage)];
    expect(all).toHaveLength(150);
    for (const [i, vector] of all.entries()) {
      expect(cosine(vector, some[i % texts.length]!)).toBeGreaterThan(0.99999);
    }
  });

  test('accents, case and names of special tokens are spelled as text', async () => {
    const [a, b] = await embedder.embed(['The ÖTTÉR', 'the otter'], passage);
    expect(cosine(a!, b!)).toBeGreaterThan(0.99999);
    const [special, alone] = await embedder.embed(['[SEP]', ''], passage);
    expect(cosine(special!, alone!)).toBeLessThan(0.99);
  });

  test('lone surrogates and control characters are no fault', async () => {
    const [odd, missing] = await embedder.embed(['\ud800 \u0000\u0007', ''], passage);
    expect(Math.hypot(...odd!)).toBeCloseTo(1, 5);
    expect(Math.hypot(...missing!)).toBeCloseTo(1, 5);
  });
});

describe('passages in context', () => {
  const passages = [
    { before: 'the river', text: 'an otter', after: 'fishes , and zebras do not .' },
    { before: '', text: 'the otter', after: 'fishing river' },
    { before: 'the quick brown fox', text: 'jumps', after: '' },
  ];
  const inContext = (bert: TinyBert, { before, text, after }: (typeof passages)[number]) => {
    const length = (part: string) => bert.ids(part).length - 2;
    const start = 1 + length(before);
    const ids = bert.ids(`${before} ${text} ${after}`);
    return bert.embed(ids, 'mean', { start, end: start + length(text) });
  };

  test('are the means of their own tokens, which saw what is around them', async () => {
    const many = Array.from({ length: 40 }, (_, i) => passages[i % passages.length]!);
    const vectors = await embedder.embedInContext(many);
    const alone = await embedder.embed(
      passages.map(({ text }) => text),
      passage,
    );
    expect(vectors).toHaveLength(40);
    for (const [i, vector] of vectors.entries()) {
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
      expect(cosine(vector, inContext(plain.bert, many[i]!))).toBeGreaterThan(0.99999);
      expect(cosine(vector, alone[i % passages.length]!)).toBeLessThan(0.999);
    }
    // Texts of which all tokens count come out as before.
    const [again] = await embedder.embed([passages[0]!.text], passage);
    expect(cosine(again!, alone[0]!)).toBeGreaterThan(0.99999);
  });

  test('see the nearest that the window holds, half on each side or what one side leaves', async () => {
    const { bert, path } = await make({ sequenceLength: 9 });
    const small = await load(path);
    // Seven tokens between the two around a text, two of them the passage's own.
    const cut = [
      ['x x x b c', 'the otter', 'd e f g h i', 'b c the otter d e f'],
      ['a', 'the otter', 'd e f g h i', 'a the otter d e f g'],
      ['a b c d e f', 'the otter', 'g', 'c d e f the otter g'],
    ] as const;
    for (const [before, text, after, seen] of cut) {
      const [vector] = await small.embedInContext([{ before, text, after }]);
      const words = seen.split(' ');
      const start = 1 + words.indexOf('the');
      const expected = bert.embed(bert.ids(seen), 'mean', { start, end: start + 2 });
      expect([before, cosine(vector!, expected) > 0.99999]).toEqual([before, true]);
    }
    // One that fills the window, or has no tokens, is as without context.
    for (const text of ['a b c d e f g', 'a b c d e f g h i j k l m n', '']) {
      const [vector] = await small.embedInContext([{ before: 'x', text, after: 'x' }]);
      const [alone] = await small.embed([text], passage);
      expect(cosine(vector!, alone!)).toBeGreaterThan(0.99999);
    }
  });

  test('cannot be had of models without means, nor of what is no text', async () => {
    const { path } = await make({ pooling: 'cls' });
    const cls = await load(path);
    await expect(cls.embedInContext(passages)).rejects.toThrow('no means');
    const odd = [{ before: 1, text: 'a', after: '' }] as never;
    await expect(embedder.embedInContext(odd)).rejects.toThrow(InvalidArgumentError);
    await expect(
      embedder.embedInContext(passages, { signal: AbortSignal.abort(new Error('stop')) }),
    ).rejects.toThrow('stop');
    expect(await embedder.embedInContext([])).toEqual([]);
  });
});

describe('prefixes', () => {
  test('as bge-small: the CLS token, and a prefix of questions only', async () => {
    const { bert, path } = await make({ pooling: 'cls' });
    const query = 'river : ';
    const own = await load(path, { prefixes: { query } });
    const [question] = await own.embed(['the otter'], { kind: 'query' });
    const [text] = await own.embed(['the otter'], passage);
    expect(cosine(question!, bert.embed(bert.ids(`${query}the otter`)))).toBeGreaterThan(0.9999);
    expect(cosine(text!, bert.embed(bert.ids('the otter')))).toBeGreaterThan(0.9999);
    expect(cosine(question!, text!)).toBeLessThan(0.99);
  });

  test('stand before the texts of their kind, from the options or the file', async () => {
    const prompts = { query: 'query : ', document: 'passage : ' };
    const { bert, path } = await make({ prompts });
    const fromFile = await load(path);
    const given = await load(path, { prefixes: { query: 'river ' } });
    const expected = (text: string): number[] => bert.embed(bert.ids(text));
    for (const [by, kind, prefix] of [
      [fromFile, 'query', 'query : '],
      [fromFile, 'passage', 'passage : '],
      [given, 'query', 'river '],
      [given, 'passage', 'passage : '],
    ] as const) {
      const [vector] = await by.embed(['the otter'], { kind });
      expect(cosine(vector!, expected(`${prefix}the otter`))).toBeGreaterThan(0.9999);
    }
  });

  test('that leave no room are refused', async () => {
    const prefixes = { query: 'q '.repeat(30) };
    expect(await reasonOf(load(plain.path, { prefixes }))).toBeInstanceOf(InvalidArgumentError);
  });
});

describe('texts longer than a window', () => {
  const long = 'the otter is fishing . '.repeat(20);

  test('are the mean of their windows, which are of about one length', async () => {
    const { bert } = plain;
    const ids = Int32Array.from(bert.ids(long).slice(1, -1));
    const windows = windowsOf(ids, 30);
    expect(windows.map(({ length }) => length)).toEqual(expect.arrayContaining([28]));
    expect(Math.max(...windows.map(({ length }) => length))).toBeLessThanOrEqual(30);
    expect(windows.flatMap((window) => [...window])).toEqual([...ids]);
    const sum = windows
      .map((window) => bert.embed([2, ...window, 3]).map((value) => value * window.length))
      .reduce((a, b) => a.map((value, i) => value + b[i]!));
    const [vector] = await embedder.embed([long], passage);
    expect(cosine(vector!, sum)).toBeGreaterThan(0.9999);
    expect(Math.hypot(...vector!)).toBeCloseTo(1, 5);
  });

  test('or are cut, as sentence-transformers does', async () => {
    const { bert, path } = plain;
    const cut = await load(path, { longTexts: 'cut' });
    const [vector] = await cut.embed([long], passage);
    expect(cosine(vector!, bert.embed([...bert.ids(long).slice(0, 31), 3]))).toBeGreaterThan(
      0.9999,
    );
  });

  test('of a hundred thousand characters, with and without spaces, end and are cut off the loop', async () => {
    const cut = await load(plain.path, { longTexts: 'cut' });
    const [spaced, joined] = await cut.embed(
      ['otter '.repeat(17_000), 'o'.repeat(100_000)],
      passage,
    );
    expect(Math.hypot(...spaced!)).toBeCloseTo(1, 5);
    expect(Math.hypot(...joined!)).toBeCloseTo(1, 5);
    const [start] = await cut.embed(['otter '.repeat(30)], passage);
    expect(cosine(spaced!, start!)).toBeGreaterThan(0.99999);
  });
});

test('the length that texts were cut to in training is the window', async () => {
  const { path } = await make({ sequenceLength: 12 });
  expect((await load(path)).sequenceLength).toBe(12);
  expect((await load(path, { sequenceLength: 32 })).sequenceLength).toBe(32);
  for (const sequenceLength of [2, 33, 8.5, Number.NaN]) {
    expect(await reasonOf(load(path, { sequenceLength }))).toBeInstanceOf(InvalidArgumentError);
  }
});

test('the fingerprint changes with weights, their type, and all options that change vectors', async () => {
  const other = await make({ seed: 2 });
  const half = await make({}, 'f16');
  const fingerprints = await Promise.all([
    load(plain.path),
    load(other.path),
    load(half.path),
    load(plain.path, { pooling: 'cls' }),
    load(plain.path, { prefixes: { query: 'q ' } }),
    load(plain.path, { prefixes: { passage: 'q ' } }),
    load(plain.path, { longTexts: 'cut' }),
    load(plain.path, { sequenceLength: 16 }),
  ]).then((all) => all.map(({ fingerprint }) => fingerprint));
  expect(new Set(fingerprints).size).toBe(fingerprints.length);
  expect(fingerprints[0]).toBe(embedder.fingerprint);
});

/** One after another, so that cells and batches are the same each time, to the last bit. */
const eightTimes = async (task: () => Promise<void>): Promise<void> => {
  for (let time = 0; time < 8; time++) await task();
};

describe('calls', () => {
  test('with bad arguments are refused', async () => {
    expect(await embedder.embed([], passage)).toEqual([]);
    const wrong = embedder.embed(['a', 1 as unknown as string], passage);
    expect(await reasonOf(wrong)).toBeInstanceOf(InvalidArgumentError);
    const kind = embedder.embed(['a'], { kind: 'both' as unknown as 'query' });
    expect(await reasonOf(kind)).toBeInstanceOf(InvalidArgumentError);
    for (const more of [
      { threads: 0 },
      { longTexts: 'drop' as unknown as 'cut' },
      { pooling: 'max' as unknown as 'cls' },
      { prefixes: { query: 1 as unknown as string } },
    ]) {
      expect(await reasonOf(load(plain.path, more))).toBeInstanceOf(InvalidArgumentError);
    }
  });

  test('can be aborted between batches, and others go on', async () => {
    const controller = new AbortController();
    const many = Array.from({ length: 2000 }, () => texts[3]!);
    const call = embedder.embed(many, { ...passage, signal: controller.signal });
    const beside = embedder.embed(texts, passage);
    await embedder.embed(['first'], passage);
    controller.abort(new Error('enough'));
    expect(await reasonOf(call)).toEqual(new Error('enough'));
    expect(await beside).toHaveLength(texts.length);
    const late = embedder.embed(['a'], { ...passage, signal: controller.signal });
    expect(await reasonOf(late)).toEqual(new Error('enough'));
  });

  test('end with the embedder, whatever runs', async () => {
    const own = await load(plain.path);
    const many = Array.from({ length: 2000 }, () => texts[3]!);
    const call = reasonOf(own.embed(many, passage));
    await own.embed(['first'], passage);
    await Promise.all([own.dispose(), own.dispose()]);
    expect(await call).toBeInstanceOf(DisposedError);
    expect(await reasonOf(own.embed(['a'], passage))).toBeInstanceOf(DisposedError);
  });

  test('leave an engine beside them alone, and it them', async () => {
    const engine = await loadEngine({
      model: await tinyFile({ architecture: 'llama' }),
      device: 'cpu',
      hashCache: join(scratch, 'hashes.json'),
    });
    const arena = await engine.createArena({ cells: 512 });
    try {
      const prompt = Int32Array.from({ length: 40 }, (_, i) => 260 + i);
      const run = async (): Promise<number[]> => {
        using sequence = arena.createSequence();
        const { logits } = await sequence.append(prompt);
        return [...logits!.values];
      };
      const [alone, vectors] = [await run(), await embedder.embed(texts, passage)];
      await Promise.all([
        eightTimes(async () => expect(await run()).toEqual(alone)),
        eightTimes(async () => expect(await embedder.embed(texts, passage)).toEqual(vectors)),
      ]);
    } finally {
      await engine.dispose();
    }
    expect(await embedder.embed(texts, passage)).toHaveLength(texts.length);
  });
});

/** The file with the bytes of a text replaced by others of the same length. */
const edited = async (from: string, to: string | Buffer): Promise<string> => {
  const bytes = Buffer.from(await readFile(plain.path));
  const at = bytes.indexOf(from);
  expect(at).toBeGreaterThan(0);
  bytes.set(Buffer.from(to), at);
  const path = join(await mkdtemp(join(scratch, 'edited-')), 'model.gguf');
  await writeFile(path, bytes);
  return path;
};
const u32 = (key: string, value: number): [string, Buffer] => {
  const target = Buffer.concat([Buffer.from(key), Buffer.from([4, 0, 0, 0]), Buffer.alloc(4)]);
  target.writeUInt32LE(value, target.length - 4);
  return [key, target];
};

describe('files that are no sound embedder are refused, and the process lives', () => {
  test('a language model, a folder that is none, no file', async () => {
    const llama = await tinyFile({ architecture: 'llama' });
    const refused = (await reasonOf(load(llama))) as Error;
    expect(refused).toBeInstanceOf(UnsupportedArchitectureError);
    expect(refused.message).toContain('llama');
    // And the other way round.
    const engine = loadEngine({ model: plain.path, device: 'cpu' });
    expect(await reasonOf(engine)).toBeInstanceOf(UnsupportedArchitectureError);
    const text = join(scratch, 'text.gguf');
    await writeFile(text, 'hello');
    expect(await reasonOf(load(text))).toBeInstanceOf(ModelFileError);
  });

  test.each<[string, [string, string | Buffer]]>([
    ['a tensor that is missing', ['blk.1.ffn_up.weight', 'blk.1.ffn_UP.weight']],
    ['a norm that is missing', ['token_embd_norm.bias', 'token_embd_norm.bios']],
    ['a key that is missing', ['bert.embedding_length', 'bert.embedding_LENGTH']],
    ['a key that is not known', ['general.file_type', 'bert.rope.scaling']],
    ['no layer', u32('bert.block_count', 0)],
    ['too many layers', u32('bert.block_count', 1 << 20)],
    ['more layers than tensors', u32('bert.block_count', 3)],
    ['fewer layers than tensors', u32('bert.block_count', 1)],
    ['heads that do not share the width', u32('bert.attention.head_count', 7)],
    ['no head', u32('bert.attention.head_count', 0)],
    ['more positions than rows', u32('bert.context_length', 64)],
    ['pooling that is not known', u32('bert.pooling_type', 9)],
    ['a ranker', u32('bert.pooling_type', 4)],
    ['more token types than rows', u32('tokenizer.ggml.token_type_count', 5)],
    ['another tokenizer', ['bert', 'bert']],
    ['a token that is there twice', ['\u2581a', '\u2581b']],
  ])('%s', async (_, [from, to]) => {
    if (from === to) {
      // The second text "bert" of the header, behind the tokenizer's key.
      const bytes = Buffer.from(await readFile(plain.path));
      const at = bytes.indexOf('bert', bytes.indexOf('tokenizer.ggml.model'));
      bytes.write('gpt2', at);
      const path = join(await mkdtemp(join(scratch, 'edited-')), 'model.gguf');
      await writeFile(path, bytes);
      expect(await reasonOf(load(path))).toBeInstanceOf(ModelFileError);
      return;
    }
    const error = await reasonOf(load(await edited(from, to)));
    expect(error instanceof ModelFileError || error instanceof UnsupportedArchitectureError).toBe(
      true,
    );
  });

  test('without pooling, it must be given', async () => {
    const path = await edited(...u32('bert.pooling_type', 0));
    expect(await reasonOf(load(path))).toBeInstanceOf(InvalidArgumentError);
    const [given] = await (await load(path, { pooling: 'mean' })).embed(['x'], passage);
    const [told] = await embedder.embed(['x'], passage);
    expect(cosine(given!, told!)).toBeGreaterThan(0.99999);
  });

  test('cut short anywhere', async () => {
    const bytes = await readFile(plain.path);
    const path = join(scratch, 'short.gguf');
    for (const share of [0.001, 0.01, 0.02, 0.1, 0.5, 0.999]) {
      await writeFile(path, bytes.subarray(0, Math.floor(share * bytes.length)));
      expect(await reasonOf(load(path))).toBeInstanceOf(ModelFileError);
    }
  });

  test('weights that are no numbers make no vector', async () => {
    const bytes = Buffer.from(await readFile(plain.path));
    const { tensors } = await readGguf(plain.path);
    bytes.writeFloatLE(Number.NaN, tensors.get('token_embd_norm.bias')!.offset);
    const path = join(scratch, 'nan.gguf');
    await writeFile(path, bytes);
    const own = await load(path);
    expect(await reasonOf(own.embed(['x'], passage))).toBeInstanceOf(ComputeError);
    // It stays usable.
    expect(await own.embed([], passage)).toEqual([]);
  });

  test('an abort before or while loading leaves nothing', async () => {
    const signal = AbortSignal.abort(new Error('no'));
    expect(await reasonOf(load(plain.path, { signal }))).toEqual(new Error('no'));
  });
});
