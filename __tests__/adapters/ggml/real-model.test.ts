import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTokenizer } from '../../../adapters/ggml/tokenizer.js';
import type { Reference } from '../../../adapters/ggml/reference.js';
import { type Distance, distance } from '../../support/logits.js';
import { realModel } from '../../support/ggml/real-model.js';
import { compute, type OwnCompute, runtime } from '../../support/native.js';

const real = realModel();
const root = join(import.meta.dirname, '..', '..', '..');
const file = join(root, 'examples', 'documents', 'state-of-the-union-2024.md');
const bytes = (values: Float32Array | undefined): Buffer =>
  Buffer.from(values?.buffer ?? new ArrayBuffer(0), values?.byteOffset, values?.byteLength);

if (process.env['CI_MODEL_REQUIRED'] === '1') {
  test('a real model is at hand', () => expect(real).toBeDefined());
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

(real ? describe : describe.skip)('a real model, as llama_decode computes it', () => {
  let own: OwnCompute;
  let reference: Reference;
  /** What llama.cpp differs from itself by, the same tokens split otherwise. */
  let floor: Distance;
  let words: Int32Array;
  let tokens: Int32Array;
  let plain: Float32Array;

  /** Logits of the rows from `from` on, computed in pieces. */
  const theirs = async (all: Int32Array, pieces: number[], from = 0): Promise<Float32Array> => {
    reference.clear();
    const parts: Float32Array[] = [];
    let at = 0;
    for (const size of pieces) {
      parts.push(await reference.decode(all.slice(at, (at += size)), { logits: 'all' }));
    }
    return joined(parts).subarray(from * own.vocabSize);
  };
  const ours = async (all: Int32Array, pieces: number[], from = 0): Promise<Float32Array> => {
    using sequence = own.arena.createSequence();
    const parts: Float32Array[] = [];
    let at = 0;
    for (const size of pieces) {
      const { logits } = await sequence.append(all.slice(at, (at += size)), { logits: 'all' });
      parts.push(logits?.values as Float32Array);
    }
    return joined(parts).subarray(from * own.vocabSize);
  };
  const within = (apart: Distance): void => {
    console.log(`KL ${apart.kl.toExponential(2)} (floor ${floor.kl.toExponential(2)})`);
    expect(apart.kl).toBeLessThanOrEqual(1.5 * floor.kl);
  };

  beforeAll(async () => {
    own = await compute(real as string, { cells: 2048 });
    reference = await own.reference();
    const tokenizer = await createTokenizer(runtime(), real as string);
    const text = readFileSync(file, 'utf8');
    words = (await tokenizer.encode(text)).ids;
    tokens = words.slice(0, 320);
    plain = await theirs(tokens, [320], 200);
    const apart = [];
    for (const split of [
      [64, 256],
      [200, 90, 30],
      [20, 180, 120],
    ]) {
      apart.push(distance(plain, await theirs(tokens, split, 200), own.vocabSize));
    }
    floor = apart.reduce((most, one) => (one.kl > most.kl ? one : most));
  }, 120_000);
  afterAll(() => own?.dispose());

  test.each([64, 511, 512, 513])(
    'prefill of %i tokens is bit-identical',
    async (length) => {
      const some = words.slice(length, 2 * length);
      const pieces = length > 512 ? [512, length - 512] : [length];
      const a = await theirs(some, pieces);
      const b = await ours(some, pieces);
      const end = Math.min(length, 512) * own.vocabSize;
      expect(bytes(a.subarray(0, end)).equals(bytes(b.subarray(0, end)))).toBe(true);
      // The last piece of 513 is a single row.
      if (length > 512) within(distance(a.subarray(end), b.subarray(end), own.vocabSize));
    },
    60_000,
  );

  test.each([1, 2, 31, 32, 33])('prefill of %i tokens stays within the floor', async (length) => {
    const some = words.slice(700, 700 + length);
    reference.clear();
    const a = await reference.decode(some, { logits: 'all' });
    // The floor of so few rows: llama.cpp against itself, the same rows in a longer batch.
    reference.clear();
    const longer = await reference.decode(words.slice(700, 764 + length), { logits: 'all' });
    const { kl } = distance(a, longer.subarray(0, a.length), own.vocabSize);
    using sequence = own.arena.createSequence();
    const { logits } = await sequence.append(some, { logits: 'all' });
    const apart = distance(a, logits?.values as Float32Array, own.vocabSize);
    console.log(`KL ${apart.kl.toExponential(2)} (floor ${kl.toExponential(2)})`);
    expect(apart.kl).toBeLessThanOrEqual(1.5 * kl);
  });

  test('decoding gives the logits of llama_decode in the same steps', async () => {
    const pieces = [300, ...Array.from({ length: 20 }, () => 1)];
    const a = await theirs(tokens, pieces, 300);
    within(distance(a, await ours(tokens, pieces, 300), own.vocabSize));
  });

  test('prefix and chunk moved by 500 positions, then refreshed, are the plain prefill', async () => {
    using source = own.arena.createSequence();
    // Prefix and chunk are encoded 500 positions further on than they are used.
    await source.append(tokens.slice(0, 200), {
      positions: Int32Array.from({ length: 200 }, (_, i) => 500 + i),
    });
    const kv = await source.capture({ start: 20, end: 200 });

    using moved = own.arena.createSequence();
    await moved.append(tokens.slice(0, 20));
    await moved.splice(kv);
    const spliced = await moved.append(tokens.slice(200), { logits: 'all' });
    within(distance(plain, spliced.logits?.values as Float32Array, own.vocabSize));

    await moved.drop({ start: 200, end: 320 });
    await moved.refresh({ start: 20, end: 200 });
    const refreshed = await moved.append(tokens.slice(200), { logits: 'all' });
    within(distance(plain, refreshed.logits?.values as Float32Array, own.vocabSize));
  });

  test('a chunk at its own position is exact, and any part of it may be refreshed', async () => {
    using source = own.arena.createSequence();
    await source.append(tokens.slice(0, 200));
    const kv = await source.capture({ start: 20, end: 200 });
    using woven = own.arena.createSequence();
    await woven.append(tokens.slice(0, 20));
    await woven.splice(kv);
    const spliced = await woven.append(tokens.slice(200), { logits: 'all' });
    within(distance(plain, spliced.logits?.values as Float32Array, own.vocabSize));
    await woven.drop({ start: 200, end: 320 });
    await woven.refresh(Int32Array.from({ length: 40 }, (_, i) => 25 + i * 4));
    const refreshed = await woven.append(tokens.slice(200), { logits: 'all' });
    within(distance(plain, refreshed.logits?.values as Float32Array, own.vocabSize));
  });

  test('changing a later token changes no earlier row', async () => {
    const other = tokens.slice();
    other[319] = (other[319] as number) - 1;
    using a = own.arena.createSequence();
    using b = own.arena.createSequence();
    const first = await a.append(tokens, { logits: 'all' });
    const second = await b.append(other, { logits: 'all' });
    const end = 319 * own.vocabSize;
    const same = (start: number, stop?: number): boolean =>
      bytes(first.logits?.values.subarray(start, stop)).equals(
        bytes(second.logits?.values.subarray(start, stop)),
      );
    expect(same(0, end)).toBe(true);
    expect(same(end)).toBe(false);
  });
});
