import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TinyModelOptions } from '../../../adapters/ggml/tiny-model/index.js';
import type { Reference } from '../../../adapters/ggml/reference.js';
import { distance } from '../../support/logits.js';
import { compute, type OwnCompute, tinyFile } from '../../support/native.js';
import { floatModels, quantisedModels } from '../../support/tiny-models.js';

const KL = 5e-6;
const DEVIATIONS = 0.02;
const LENGTHS = [1, 2, 31, 32, 33, 64, 511, 513, 700];

async function ours(
  own: OwnCompute,
  tokens: Int32Array,
  pieces: number[] = [],
): Promise<Float32Array> {
  using sequence = own.arena.createSequence();
  const parts: Float32Array[] = [];
  let at = 0;
  for (const size of [...pieces, tokens.length]) {
    const part = tokens.slice(at, Math.min(tokens.length, at + size));
    at += part.length;
    if (part.length === 0) continue;
    const { logits } = await sequence.append(part, { logits: 'all' });
    parts.push(logits?.values as Float32Array);
  }
  return join(parts);
}

async function theirs(
  reference: Reference,
  tokens: Int32Array,
  pieces: number[] = [],
): Promise<Float32Array> {
  reference.clear();
  const parts: Float32Array[] = [];
  let at = 0;
  for (const size of [...pieces, tokens.length]) {
    const part = tokens.slice(at, Math.min(tokens.length, at + size));
    at += part.length;
    if (part.length > 0) parts.push(await reference.decode(part, { logits: 'all' }));
  }
  return join(parts);
}

function join(parts: Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** On a busy machine, threads that wait for each other take most of the time of small graphs. */
const threadsFor = (name: string): number => (/^llama( q4_0)?$/.test(name) ? 2 : 1);

/** Told by the system, not by ggml; unknown counts as no. */
const hasAvx2 =
  existsSync('/proc/cpuinfo') && /^flags.*\bavx2\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));

describe.each(Object.entries(floatModels))('%s', (name, options) => {
  let own: OwnCompute;
  let reference: Reference;
  beforeAll(async () => {
    own = await compute(await tinyFile(options), { threads: threadsFor(name) });
    reference = await own.reference();
  });
  afterAll(() => own.dispose());

  test.each(LENGTHS)('prefill of %i tokens gives the logits of llama_decode', async (length) => {
    const tokens = own.tokens(length, length);
    const apart = distance(await theirs(reference, tokens), await ours(own, tokens), own.vocabSize);
    expect(apart.kl).toBeLessThan(KL);
    expect(apart.deviations).toBeLessThan(DEVIATIONS);
  });

  test('the same split into batches of 64 and more is bit-identical', async () => {
    const tokens = own.tokens(700, 5);
    const pieces = [512, 64];
    expect(await ours(own, tokens, pieces)).toEqual(await theirs(reference, tokens, pieces));
  });

  test('pieces and single steps agree with llama_decode in the same steps', async () => {
    const tokens = own.tokens(150, 6);
    const pieces = [7, 90, 30, ...Array.from({ length: 20 }, () => 1)];
    const a = await theirs(reference, tokens, pieces);
    const apart = distance(a, await ours(own, tokens, pieces), own.vocabSize);
    expect(apart.kl).toBeLessThan(KL);
    expect(apart.deviations).toBeLessThan(DEVIATIONS);
  });

  test('the split does not matter: short batches are padded inside attention', async () => {
    const tokens = own.tokens(200, 7);
    const whole = await ours(own, tokens);
    const apart = distance(whole, await ours(own, tokens, [3, 50, 20, 64, 2, 40]), own.vocabSize);
    expect(apart.deviations).toBeLessThan(1e-3);
  });
});

describe.each(Object.entries(quantisedModels))('%s', (name, options) => {
  let own: OwnCompute;
  let reference: Reference;
  beforeAll(async () => {
    own = await compute(await tinyFile(options), { threads: threadsFor(name) });
    reference = await own.reference();
  });
  afterAll(() => own.dispose());

  test('the same split is bit-identical; others stay within 1.5 times the floor', async () => {
    const tokens = own.tokens(600, 8);
    const same = await theirs(reference, tokens, [512]);
    expect(await ours(own, tokens, [512])).toEqual(same);
    // The floor: llama.cpp against itself in another split.
    const split = [200, 10, 1, 1, 100, 7];
    const floor = distance(same, await theirs(reference, tokens, split), own.vocabSize);
    const apart = distance(same, await ours(own, tokens, split), own.vocabSize);
    console.log(
      `${name}: floor KL ${floor.kl.toExponential(2)}, ours ${apart.kl.toExponential(2)}`,
    );
    expect(apart.kl).toBeLessThanOrEqual(Math.max(1.5 * floor.kl, KL));
  });

  test('the weights are repacked where this CPU has kernels for it', () => {
    const { weights, hp } = own.arena.model;
    // q8_0 and q4_1 have such kernels on other CPUs only.
    const repacks = hasAvx2 && /q4_[0K]$/.test(name);
    if (repacks) expect(weights.repacked).toBeGreaterThanOrEqual(7 * hp.layers);
    else if (hasAvx2) expect(weights.repacked).toBe(0);
  });

  test.each([1, 2, 31, 32, 33, 511, 513])(
    'prefill of %i tokens stays within the floor',
    async (length) => {
      const tokens = own.tokens(length + 64, length);
      const prompt = tokens.slice(0, length);
      const a = await theirs(reference, prompt);
      // The floor: llama.cpp against itself, the same rows in a longer batch.
      const longer = await theirs(reference, tokens);
      const floor = distance(a, longer.subarray(0, a.length), own.vocabSize);
      const apart = distance(a, await ours(own, prompt), own.vocabSize);
      expect(apart.kl).toBeLessThanOrEqual(Math.max(1.5 * floor.kl, KL));
    },
  );
});

test.each([['llama q4_0'], ['qwen3 q4_K'], ['gemma3 q4_0']])(
  '%s: embeddings looked up on the host are those of the device',
  async (name) => {
    const path = await tinyFile(quantisedModels[name] as TinyModelOptions);
    const device = await compute(path);
    const host = await compute(path, { embedOnHost: true });
    const tokens = device.tokens(120, 9);
    expect(await ours(host, tokens, [80, 1, 1])).toEqual(await ours(device, tokens, [80, 1, 1]));
    await host.dispose();
    await device.dispose();
  },
);
