import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type GgmlEngine, loadEngine } from '../../../adapters/ggml/engine.js';
import { type GgufHeader, readGguf } from '../../../adapters/ggml/gguf.js';
import {
  ChunkweaveError,
  DeviceError,
  InvalidArgumentError,
  ModelFileError,
  ModelSourceError,
  NativeLibraryError,
  OutOfMemoryError,
  UnsupportedArchitectureError,
} from '../../../lib/errors.js';
import { editTensor, editValue } from '../../support/ggml/edited-model.js';
import { compute, type OwnCompute, runtime, scratch, tinyFile } from '../../support/native.js';

const broken = join(scratch, 'broken-model.gguf');
let good: string;
let file: Buffer;

const load = (model: string, options: object = {}): Promise<GgmlEngine> =>
  loadEngine({
    model,
    device: 'cpu',
    threads: 1,
    hashCache: join(scratch, 'hashes.json'),
    ...options,
  });

/** Loads bytes as a model. */
async function loadBytes(bytes: Uint8Array): Promise<GgmlEngine> {
  await writeFile(broken, bytes);
  return load(broken);
}

async function errorOf(loading: Promise<GgmlEngine>): Promise<Error> {
  try {
    await (await loading).dispose();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was loaded');
}

/** Where tensor data begins. */
const dataStart = ({ tensors }: GgufHeader): number =>
  Math.min(...[...tensors.values()].map(({ offset }) => offset));

beforeAll(async () => {
  good = await tinyFile({ architecture: 'llama', layers: 2, tied: false, biases: true });
  file = await readFile(good);
});

describe('a file that is no model', () => {
  test('of another format, empty, or nothing but a beginning', async () => {
    for (const bytes of [
      Buffer.from('PK\u0003\u0004 this is another format'),
      Buffer.from('{"model": "llama"}'),
      Buffer.alloc(0),
      Buffer.from('GGUF'),
      Buffer.alloc(4096),
    ]) {
      expect(await errorOf(loadBytes(bytes))).toBeInstanceOf(ModelFileError);
    }
  });

  test('a path to nothing and a folder say what was looked for', async () => {
    const folder = join(scratch, 'folder.gguf');
    await mkdir(folder, { recursive: true });
    for (const path of [join(scratch, 'none.gguf'), folder]) {
      const error = await errorOf(load(path));
      expect(ChunkweaveError.isInstance(error)).toBe(true);
      expect([ModelSourceError, ModelFileError]).toContain(error.constructor);
      expect(error.message).toContain(path);
    }
  });

  test('cut short anywhere', async () => {
    const lengths = Array.from({ length: 80 }, (_, i) => Math.floor((file.length * i) / 80));
    for (const length of [...lengths, file.length - 1]) {
      const error = await errorOf(loadBytes(file.subarray(0, length)));
      expect(error).toBeInstanceOf(ModelFileError);
      if (length > 4) expect(error.message).toMatch(/incomplete|cut short|malformed/);
    }
  });
});

describe('a tensor', () => {
  test.each([
    'token_embd.weight',
    'output_norm.weight',
    'blk.0.attn_norm.weight',
    'blk.1.attn_q.weight',
    'blk.1.attn_k.weight',
    'blk.1.attn_v.weight',
    'blk.1.attn_output.weight',
    'blk.0.ffn_norm.weight',
    'blk.0.ffn_gate.weight',
    'blk.0.ffn_up.weight',
    'blk.0.ffn_down.weight',
  ])('%s is missing', async (name) => {
    const error = await errorOf(loadBytes(editTensor(file, name, { name: `X${name.slice(1)}` })));
    expect(error).toBeInstanceOf(ModelFileError);
    expect(error.message).toContain(name);
  });

  test('of any name has the wrong shape', async () => {
    const { tensors } = await readGguf(good);
    for (const { name, shape } of tensors.values()) {
      for (const length of [1, (shape[0] as number) * 2, 2 ** 40]) {
        const error = await errorOf(loadBytes(editTensor(file, name, { length })));
        expect(error).toBeInstanceOf(ModelFileError);
        expect(error.message).toContain(name);
      }
    }
  });

  test('of any name lies beyond the end of the file', async () => {
    const { tensors } = await readGguf(good);
    for (const { name } of tensors.values()) {
      for (const offset of [file.length, 2 ** 52]) {
        const error = await errorOf(loadBytes(editTensor(file, name, { offset })));
        expect(error).toBeInstanceOf(ModelFileError);
      }
    }
  });

  test('of any type is computed with, or refused by name', async () => {
    // Rows of 256 elements, so that all types have whole blocks; zeros are numbers in all of them.
    const path = await tinyFile({
      architecture: 'llama',
      layers: 1,
      width: 256,
      feedForward: 256,
      tied: false,
    });
    const padded = Buffer.concat([await readFile(path), Buffer.alloc(1 << 20)]);
    const at = (await readGguf(path)).fileBytes - dataStart(await readGguf(path));
    const computed = new Set<number>();
    for (const name of ['token_embd.weight', 'output.weight', 'blk.0.attn_k.weight']) {
      for (let type = 0; type < 64; type++) {
        await writeFile(
          broken,
          editTensor(padded, name, { type, offset: Math.ceil(at / 32) * 32 }),
        );
        let own: OwnCompute;
        try {
          own = await compute(broken, { cells: 256, threads: 1 });
        } catch (error) {
          expect(error).toBeInstanceOf(ModelFileError);
          expect((error as Error).message).toContain(name);
          continue;
        }
        for (const count of [1, 3, 70]) {
          const { logits } = await own.arena.createSequence().append(own.tokens(count));
          expect(logits?.values.every(Number.isFinite)).toBe(true);
        }
        computed.add(type);
        await own.dispose();
      }
    }
    console.log(`types that are computed with: ${[...computed].join(', ')}`);
    for (const type of [0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23, 30]) {
      expect(computed).toContain(type);
    }
  });
});

describe('a header', () => {
  test('of another architecture, which is named with those that are supported', async () => {
    for (const name of ['mamba', 'llamb', 'LLAMA']) {
      const bytes = Buffer.from(file);
      bytes.write(name, bytes.indexOf('llama', bytes.indexOf('general.architecture')));
      const error = await errorOf(loadBytes(bytes.subarray(0)));
      if (name.length === 5) expect(error).toBeInstanceOf(UnsupportedArchitectureError);
      expect(error.message).toContain(name);
      expect(error.message).toContain('gemma3');
    }
  });

  test.each([
    ['block_count', [0, 3, 1 << 20, 0xffffffff]],
    ['embedding_length', [0, 1, 32, 0xffffffff]],
    ['attention.head_count', [0, 3, 8, 0xffffffff]],
    ['attention.head_count_kv', [0, 3, 4, 0xffffffff]],
    ['attention.key_length', [0, 1, 8, 4096]],
    ['attention.value_length', [0, 1, 8, 4096]],
    ['feed_forward_length', [0, 1, 0xffffffff]],
    ['rope.dimension_count', [0, 2, 0xffffffff]],
    ['context_length', [0, 0xffffffff]],
  ] as [string, number[]][])('that says nonsense of %s', async (key, values) => {
    for (const value of values) {
      const error = await errorOf(loadBytes(editValue(file, `llama.${key}`, value)));
      expect(ChunkweaveError.isInstance(error)).toBe(true);
    }
  });

  test.each([
    ['attention.layer_norm_rms_epsilon', [NaN, -1, Infinity]],
    ['rope.freq_base', [NaN, -1, 0, Infinity]],
  ] as [string, number[]][])('whose %s is no sound number', async (key, values) => {
    for (const value of values) {
      const error = await errorOf(loadBytes(editValue(file, `llama.${key}`, value, true)));
      expect(error).toBeInstanceOf(ModelFileError);
    }
  });
});

describe('a chat template', () => {
  test('that is missing or broken gives the plain format, and the notes say so', async () => {
    for (const chatTemplate of [undefined, '{% for m in %}', '{{ raise_exception("no") }}']) {
      const path = await tinyFile({
        architecture: 'llama',
        layers: 1,
        ...(chatTemplate && { chatTemplate }),
      });
      await using engine = await load(path);
      expect(engine.chat.source).toBe('plain');
      expect(engine.chat.notes.join()).toMatch(/chat template/);
      const { head, tail } = await engine.chat.frame({ system: 'Be brief.' });
      expect(engine.tokenizer.decode(head)).toContain('Be brief.');
      expect(tail.length).toBeGreaterThan(0);
    }
  });
});

describe('options', () => {
  test.each([0, -1, 0.5, NaN, 513, 2 ** 31])('%d threads are refused', async (threads) => {
    expect(await errorOf(load(good, { threads }))).toBeInstanceOf(InvalidArgumentError);
  });

  test('a device that is not there is named, with what to do', async () => {
    const metal = await errorOf(load(good, { device: 'metal' }));
    expect(metal).toBeInstanceOf(DeviceError);
    expect(metal.message).toMatch(process.platform === 'darwin' ? /./ : /needs a Mac/);
    // Whether its package is missing or another set of libraries runs here already: an error that says so.
    for (const device of ['cuda', 'vulkan']) {
      const error = await errorOf(load(good, { device }));
      expect([DeviceError, NativeLibraryError]).toContain(error.constructor);
      expect(error.message).toMatch(/npm install|process of its own/);
    }
    const unknown = await errorOf(load(good, { device: 'abacus' }));
    expect(unknown).toBeInstanceOf(DeviceError);
    expect(unknown.message).toContain('abacus');
  });
});

test('an arena beyond the memory of the machine is refused with its size', async () => {
  // A token takes 512 KB here, so that no machine has room for so many.
  const path = await tinyFile({
    architecture: 'llama',
    layers: 64,
    width: 8,
    heads: 4,
    kvHeads: 4,
    headDim: 512,
    feedForward: 8,
  });
  await using engine = await load(path);
  for (const cells of [1 << 24, 1 << 23]) {
    const making = engine.createArena({ cells });
    await expect(making).rejects.toThrow(OutOfMemoryError);
    await expect(making).rejects.toMatchObject({ bytes: cells * 64 * 2 * 4 * 512 * 2 });
  }
  const arena = await engine.createArena({ cells: 1 });
  expect(arena.cells).toBe(256);
});

test('after all that was refused, a good model loads and computes', async () => {
  await using engine = await load(good);
  const arena = await engine.createArena({ cells: 256 });
  const { logits } = await arena.createSequence().append(Int32Array.of(1, 2, 3));
  expect(logits?.values.every(Number.isFinite)).toBe(true);
  expect(runtime().devices.length).toBeGreaterThan(0);
});
