import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openReference, type Reference } from '../../../adapters/ggml/reference.js';
import {
  ContextOverflowError,
  DisposedError,
  InvalidArgumentError,
  ModelFileError,
  UnsupportedArchitectureError,
} from '../../../lib/errors.js';
import { writeGguf } from '../../../adapters/gguf/writer.js';
import { distance } from '../../support/logits.js';
import { runtime, scratch, someTokens, tinyFile } from '../../support/native.js';

let open: Reference[] = [];
afterEach(async () => {
  await Promise.all(open.map((reference) => reference.dispose()));
  open = [];
});

async function reference(options: Partial<Parameters<typeof openReference>[1]> = {}) {
  const path = options.path ?? (await tinyFile({ architecture: 'llama', layers: 2 }));
  const opened = await openReference(runtime(), {
    path,
    contextLength: 256,
    threads: 1,
    ...options,
  });
  open.push(opened);
  return opened;
}

test('decoding in pieces, in batches and at once agree', async () => {
  const path = await tinyFile({ architecture: 'llama', layers: 2 });
  const whole = await reference({ path });
  const batched = await reference({ path, batch: 16, ubatch: 8 });
  const tokens = someTokens(100, whole.vocabSize);
  const all = await whole.decode(tokens, { logits: 'all' });
  expect(all).toHaveLength(100 * whole.vocabSize);
  const others = await batched.decode(tokens, { logits: 'all' });
  expect(distance(all, others, whole.vocabSize).kl).toBeLessThan(2e-5);

  whole.clear();
  await whole.decode(tokens.subarray(0, 60));
  const last = await whole.decode(tokens.subarray(60));
  const lastRow = all.subarray(99 * whole.vocabSize);
  expect(distance(lastRow, last, whole.vocabSize).kl).toBeLessThan(2e-5);
});

test('flash attention on and off agree', async () => {
  const path = await tinyFile({ architecture: 'gemma3', layers: 2 });
  const on = await reference({ path, flashAttention: true });
  const off = await reference({ path, flashAttention: false });
  const tokens = someTokens(80, on.vocabSize);
  const a = await on.decode(tokens, { logits: 'all' });
  const b = await off.decode(tokens, { logits: 'all' });
  expect(distance(a, b, on.vocabSize).kl).toBeLessThan(1e-4);
});

test('positions are relative, and must continue', async () => {
  const own = await reference();
  const tokens = someTokens(8, own.vocabSize);
  const near = await own.decode(tokens);
  own.clear();
  const far = await own.decode(tokens, { positions: tokens.map((_, i) => 100 + i) });
  expect(distance(near, far, own.vocabSize).kl).toBeLessThan(2e-5);
  for (const positions of [[5], [107], [109], [Number.NaN], [108, 109]]) {
    await expect(own.decode([1], { positions })).rejects.toThrow(InvalidArgumentError);
  }
  await expect(own.decode([1, 2], { positions: [108, 110] })).rejects.toThrow(InvalidArgumentError);
  await own.decode([1], { positions: [108] });
  await own.decode([1]);
});

test('concurrent decodes run in the order of the calls', async () => {
  const path = await tinyFile({ architecture: 'llama', layers: 2 });
  const serial = await reference({ path });
  const racing = await reference({ path });
  const tokens = someTokens(30, serial.vocabSize);
  await serial.decode(tokens.subarray(0, 20));
  const expected = await serial.decode(tokens.subarray(20));
  const [, found] = await Promise.all([
    racing.decode(tokens.subarray(0, 20)),
    racing.decode(tokens.subarray(20)),
  ]);
  expect(found).toEqual(expected);
});

describe('refuses', () => {
  test('tokens out of range', async () => {
    const own = await reference();
    for (const token of [-1, own.vocabSize, 1.5, Number.NaN, 2 ** 31]) {
      await expect(own.decode([token])).rejects.toThrow(InvalidArgumentError);
    }
    await expect(own.decode([])).rejects.toThrow(InvalidArgumentError);
  });

  test('more tokens than fit', async () => {
    const own = await reference();
    await expect(own.decode(new Int32Array(own.contextLength + 1))).rejects.toThrow(
      ContextOverflowError,
    );
    await own.decode(new Int32Array(own.contextLength));
    await expect(own.decode([1])).rejects.toThrow(ContextOverflowError);
    own.clear();
    await own.decode([1]);
  });

  test('options out of range', async () => {
    for (const options of [{ contextLength: 0 }, { threads: 0 }, { batch: 0.5 }, { ubatch: -1 }]) {
      await expect(reference(options)).rejects.toThrow(InvalidArgumentError);
    }
  });

  test('files that are no models', async () => {
    const path = join(scratch, 'no-model.gguf');
    await writeFile(path, 'no model');
    await expect(reference({ path })).rejects.toThrow(ModelFileError);
    await writeGguf(path, new Map([['general.architecture', 'mamba' as const]]), []);
    await expect(reference({ path })).rejects.toThrow(UnsupportedArchitectureError);
  });

  test('use after disposal', async () => {
    const own = await reference();
    const running = own.decode(someTokens(200, own.vocabSize));
    const disposed = own.dispose();
    await running.catch((error: unknown) => expect(error).toBeInstanceOf(DisposedError));
    await disposed;
    await own.dispose();
    await expect(own.decode([1])).rejects.toThrow(DisposedError);
    expect(() => own.clear()).toThrow(DisposedError);
  });
});
