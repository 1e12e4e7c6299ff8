import { createHook } from 'node:async_hooks';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { readGguf } from '../../../adapters/ggml/gguf.js';
import { GgmlType } from '../../../adapters/ggml/native/ggml.js';
import { type GgufInput, writeGguf } from '../../../adapters/gguf/writer.js';
import { createTokenizer } from '../../../adapters/ggml/tokenizer.js';
import { ModelFileError, TokenizerError } from '../../../lib/errors.js';
import { damage } from '../../support/ggml/random.js';
import { runtime, scratch, tinyFile } from '../../support/native.js';

const small = join(scratch, 'small.gguf');
const broken = join(scratch, 'broken.gguf');
let bytes: Uint8Array;
let headerEnd: number;

beforeAll(async () => {
  const floats = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
  await writeGguf(
    small,
    new Map<string, GgufInput>([
      ['general.architecture', 'llama'],
      ['llama.block_count', { u32: 7 }],
      ['llama.rope.freq_base', { f32: 0.5 }],
      ['tokenizer.ggml.add_bos_token', true],
      ['tokenizer.ggml.tokens', { strings: ['a', 'bc', 'ä'] }],
      ['tokenizer.ggml.scores', { floats: [1, 2, 3] }],
      ['tokenizer.ggml.token_type', { ints: [1, -1, 6] }],
    ]),
    [
      { name: 'one.weight', type: GgmlType.F32, shape: [2, 2], bytes: 16, parts: () => [floats] },
      { name: 'two.weight', type: GgmlType.F32, shape: [4], bytes: 16, parts: () => [floats] },
    ],
  );
  bytes = await readFile(small);
  headerEnd = (await readGguf(small)).tensors.get('one.weight')?.offset ?? 0;
});

test('reads what the writer wrote', async () => {
  const header = await readGguf(small);
  expect(Object.fromEntries(header.values)).toEqual({
    'general.architecture': 'llama',
    'llama.block_count': 7,
    'llama.rope.freq_base': 0.5,
    'tokenizer.ggml.add_bos_token': true,
    'tokenizer.ggml.tokens': { length: 3, long: true },
    'tokenizer.ggml.scores': [1, 2, 3],
    'tokenizer.ggml.token_type': [1, -1, 6],
  });
  expect([...header.tensors.values()].map(({ name, shape }) => [name, shape])).toEqual([
    ['one.weight', [2, 2]],
    ['two.weight', [4]],
  ]);
  expect(header.fileBytes).toBe(bytes.length);
});

test('a vocabulary is passed over without a promise for each of its strings', async () => {
  const path = join(scratch, 'long.gguf');
  // Several windows of strings, of which some cross from one into the next.
  const strings = Array.from({ length: 60_000 }, (_, i) => 'ab'.repeat(i % 40));
  await writeGguf(
    path,
    new Map<string, GgufInput>([
      ['tokenizer.ggml.tokens', { strings }],
      ['general.name', 'after it'],
    ]),
    [],
  );
  let promises = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === 'PROMISE') promises++;
    },
  }).enable();
  const header = await readGguf(path);
  hook.disable();
  expect(header.values.get('tokenizer.ggml.tokens')).toEqual({ length: 60_000, long: true });
  expect(header.values.get('general.name')).toBe('after it');
  expect(promises).toBeGreaterThan(0);
  expect(promises).toBeLessThan(1000);
});

test('a header cut short anywhere is a ModelFileError', async () => {
  expect(headerEnd).toBeGreaterThan(300);
  for (let length = 0; length < headerEnd - 32; length++) {
    await writeFile(broken, bytes.subarray(0, length));
    await expect(readGguf(broken)).rejects.toThrow(ModelFileError);
  }
});

test('a folder, a missing file and another format are ModelFileErrors', async () => {
  await writeFile(broken, 'PK\u0003\u0004 this is another format');
  for (const path of [scratch, join(scratch, 'none.gguf'), broken]) {
    await expect(readGguf(path)).rejects.toThrow(ModelFileError);
  }
});

test('changed bytes give a header or a ModelFileError, at once', async () => {
  const outcomes = { read: 0, refused: 0 };
  for (let seed = 0; seed < 2000; seed++) {
    await writeFile(broken, damage(bytes, headerEnd, seed));
    const start = performance.now();
    try {
      await readGguf(broken);
      outcomes.read++;
    } catch (error) {
      expect(error).toBeInstanceOf(ModelFileError);
      outcomes.refused++;
    }
    expect(performance.now() - start).toBeLessThan(2000);
  }
  expect(outcomes.read).toBeGreaterThan(100);
  expect(outcomes.refused).toBeGreaterThan(100);
});

describe.each(['bpe', 'spm'] as const)('a damaged %s vocabulary', (kind) => {
  test('loads and works, or is refused, but never ends the process', async () => {
    const path = await tinyFile({ architecture: 'llama', layers: 1, vocabulary: { kind } });
    const whole = await readFile(path);
    const { tensors } = await readGguf(path);
    const end = Math.min(...[...tensors.values()].map(({ offset }) => offset));
    const outcomes = { loaded: 0, refused: 0 };
    for (let seed = 0; seed < 400; seed++) {
      await writeFile(broken, damage(whole, end, seed));
      try {
        await using tokenizer = await createTokenizer(runtime(), broken);
        const { ids } = await tokenizer.encode('Hello the world <s>\n\n日本 é');
        tokenizer.decode(ids);
        outcomes.loaded++;
      } catch (error) {
        if (!(error instanceof TokenizerError)) expect(error).toBeInstanceOf(ModelFileError);
        outcomes.refused++;
      }
    }
    expect(outcomes.loaded).toBeGreaterThan(20);
    expect(outcomes.refused).toBeGreaterThan(20);
  });
});
