import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { describeArchitecture } from '../../../adapters/ggml/architectures.js';
import { readGguf } from '../../../adapters/ggml/gguf.js';
import { openReference } from '../../../adapters/ggml/reference.js';
import {
  type TinyModelOptions,
  type TinyWeightType,
  writeTinyModel,
} from '../../../adapters/ggml/tiny-model/index.js';
import { InvalidArgumentError } from '../../../lib/errors.js';
import { argMax, distance } from '../../support/logits.js';
import { runtime, scratch, someTokens, tinyFile } from '../../support/native.js';
import { floatModels, quantisedModels } from '../../support/tiny-models.js';

async function logitsOf(options: TinyModelOptions, tokens: (vocab: number) => Int32Array) {
  const path = await tinyFile(options);
  await using reference = await openReference(runtime(), { path, contextLength: 256, threads: 1 });
  const { vocabSize } = reference;
  return { vocabSize, all: await reference.decode(tokens(vocabSize), { logits: 'all' }) };
}

describe.each(Object.entries({ ...floatModels, ...quantisedModels }))('%s', (_name, options) => {
  test('computes sound logits in llama.cpp', async () => {
    const count = 60;
    const { vocabSize, all } = await logitsOf(options, (size) => someTokens(count, size));
    expect(all.every(Number.isFinite)).toBe(true);
    const best = new Set<number>();
    for (let row = 0; row < count; row++) {
      const logits = all.subarray(row * vocabSize, (row + 1) * vocabSize);
      const mean = logits.reduce((sum, value) => sum + value, 0) / vocabSize;
      const deviation = Math.sqrt(
        logits.reduce((sum, value) => sum + (value - mean) ** 2, 0) / vocabSize,
      );
      expect(deviation).toBeGreaterThan(0.8);
      expect(deviation).toBeLessThan(3.5);
      best.add(argMax(logits));
    }
    expect(best.size).toBeGreaterThan(count / 3);
  });

  test('a token changes what comes after it, and nothing before it', async () => {
    const count = 40;
    const change = 15;
    const first = await logitsOf(options, (size) => someTokens(count, size));
    const second = await logitsOf(options, (size) => {
      const tokens = someTokens(count, size);
      tokens[change] = ((tokens[change] ?? 0) + 7) % size;
      return tokens;
    });
    const { vocabSize: vocab } = first;
    const rows = (from: number, to: number, { all }: { all: Float32Array }): Float32Array =>
      all.subarray(from * vocab, to * vocab);
    expect(rows(0, change, first)).toEqual(rows(0, change, second));
    expect(
      distance(rows(change + 1, count, first), rows(change + 1, count, second), vocab).kl,
    ).toBeGreaterThan(1e-3);
  });
});

test('the same options give the same file, another seed another one', async () => {
  const options: TinyModelOptions = { architecture: 'qwen3', weightType: 'q8_0' };
  const read = async (more: Partial<TinyModelOptions>) =>
    Buffer.from(await readFile(await tinyFile({ ...options, ...more })));
  const first = await read({});
  expect(first.equals(await read({}))).toBe(true);
  expect(first.equals(await read({ seed: 1 }))).toBe(false);
});

test('the header describes the shape', async () => {
  const path = await tinyFile({
    architecture: 'gemma3',
    layers: 5,
    width: 96,
    heads: 6,
    kvHeads: 3,
    headDim: 20,
    window: 16,
    windowPeriod: 5,
    contextLength: 777,
    logitSoftcap: 30,
    rope: { base: 5e5, scaling: 'linear', factor: 2 },
    chatTemplate: '{{ messages }}',
  });
  const header = await readGguf(path);
  const { hyperparameters } = describeArchitecture(header);
  expect(hyperparameters).toMatchObject({
    layers: 5,
    width: 96,
    heads: 6,
    kvHeads: 3,
    headDim: 20,
    window: 16,
    slidingLayers: [true, true, true, true, false],
    contextLength: 777,
    logitSoftcap: 30,
    rope: { full: { base: 5e5, scale: 0.5 } },
  });
  expect(header.values.get('tokenizer.chat_template')).toBe('{{ messages }}');
});

test('a model of the shape of a real one is written in seconds', async () => {
  for (const [weightType, width] of [
    ['q4_0', 576],
    ['q4_K', 768],
  ] as [TinyWeightType, number][]) {
    const path = join(scratch, 'large.gguf');
    const { bytes, vocabSize } = await writeTinyModel(runtime().ggml, path, {
      architecture: 'llama',
      layers: 30,
      width,
      heads: width / 64,
      kvHeads: 3,
      feedForward: width === 576 ? 1536 : 2048,
      weightType,
      vocabulary: { kind: 'bpe', size: 49152 },
    });
    expect(vocabSize).toBe(49152);
    expect(bytes).toBe((await stat(path)).size);
    expect(bytes).toBeGreaterThan(60e6);
  }
});

describe('refuses', () => {
  test.each<[string, TinyModelOptions]>([
    ['no layers', { architecture: 'llama', layers: 0 }],
    ['heads that do not share', { architecture: 'llama', heads: 4, kvHeads: 3 }],
    ['odd heads', { architecture: 'llama', headDim: 15 }],
    ['a fractional head', { architecture: 'llama', width: 64, heads: 5, kvHeads: 5 }],
    ['rows of part blocks', { architecture: 'llama', weightType: 'q4_K' }],
    ['qwen2 with other heads', { architecture: 'qwen2', headDim: 32 }],
    ['a soft cap outside gemma3', { architecture: 'llama', logitSoftcap: 8 }],
    ['factors outside llama', { architecture: 'qwen3', rope: { factors: true } }],
    ['factors of another count', { architecture: 'llama', rope: { factors: [1, 2] } }],
    ['a small vocabulary', { architecture: 'llama', vocabulary: { kind: 'bpe', size: 100 } }],
  ])('%s', async (_name, options) => {
    await expect(tinyFile(options)).rejects.toThrow(InvalidArgumentError);
  });

  test('a folder that is not there', async () => {
    const path = join(scratch, 'none', 'model.gguf');
    await expect(writeTinyModel(runtime().ggml, path, { architecture: 'llama' })).rejects.toThrow(
      /ENOENT/,
    );
  });
});
