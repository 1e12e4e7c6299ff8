import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  accessName,
  chunkKey,
  type ChunkKeyParts,
  chunkOf,
  InvalidArgumentError,
  isKey,
  keyScope,
  publicTenant,
  meanVariantKey,
  variantKey,
} from '../../../lib/index.js';

const tokens = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 });
/** Short strings over few letters, so that parts that run into each other are likely. */
const word = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\ud800'), maxLength: 3 });

const parts = fc.record({
  model: word,
  keyWidth: fc.integer({ min: 1, max: 2 }),
  tokenizer: word,
  tenant: word,
  label: word,
  prefix: tokens,
  tokens,
});
type Parts = typeof parts extends fc.Arbitrary<infer T> ? T : never;

function keyOf(value: Parts): Promise<string> {
  const all: ChunkKeyParts = {
    model: {
      fingerprint: value.model,
      kv: { layers: 1, keyWidth: value.keyWidth, valueWidth: 1, type: 'f16' },
    },
    tokenizer: { fingerprint: value.tokenizer },
    tenant: value.tenant,
    label: value.label,
    prefix: Int32Array.from(value.prefix),

    tokens: Int32Array.from(value.tokens),
  };
  return chunkKey(all);
}

test('keys are equal exactly when all parts are', async () => {
  await fc.assert(
    fc.asyncProperty(parts, parts, async (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      return ((await keyOf(a)) === (await keyOf(b))) === same;
    }),
    { numRuns: 500 },
  );
});

test('a change of one part changes the key', async () => {
  await fc.assert(
    fc.asyncProperty(parts, parts, async (a, b) => {
      const key = await keyOf(a);
      for (const name of Object.keys(a) as (keyof Parts)[]) {
        const changed = { ...a, [name]: b[name] };
        const same = JSON.stringify(a[name]) === JSON.stringify(b[name]);
        if (((await keyOf(changed)) === key) !== same) return false;
      }
      return true;
    }),
  );
});

test('tokens may not wander from one part to the next', async () => {
  const base = { model: 'm', keyWidth: 1, tokenizer: 't', tenant: 'x', label: '' };
  const keys = new Set<string>();
  for (const [prefix, chunk] of [
    [[1], [2, 3]],
    [[1, 2], [3]],
    [[], [1, 2, 3]],
    [[1, 2, 3], []],
  ]) {
    keys.add(await keyOf({ ...base, prefix: prefix!, tokens: chunk! }));
  }
  expect(keys.size).toBe(4);
});

test('variants are named by what they were encoded after', async () => {
  const chunk = await keyOf(fc.sample(parts, { numRuns: 1, seed: 1 })[0] as Parts);
  const other = await keyOf(fc.sample(parts, { numRuns: 1, seed: 2 })[0] as Parts);
  const names = await Promise.all([
    variantKey(chunk, {}),
    variantKey(chunk, { warmup: Int32Array.of(1, 2) }),
    variantKey(chunk, { warmup: Int32Array.of(1) }),
    variantKey(chunk, { chunks: [other] }),
    variantKey(chunk, { chunks: [other, chunk] }),
    variantKey(chunk, { chunks: [chunk, other] }),
    variantKey(other, { warmup: Int32Array.of(1) }),
  ]);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names.slice(0, 6)) {
    expect(chunkOf(name)).toBe(chunk);
    expect(isKey(name)).toBe(true);
  }
  expect(await variantKey(chunk, { chunks: [other] })).toBe(names[3]);
  const one = { warmup: Int32Array.of(1) };
  const two = { chunks: [other] };
  const means = await Promise.all([
    meanVariantKey(chunk, [one, two]),
    meanVariantKey(chunk, [two, one]),
    meanVariantKey(chunk, [one, one]),
    meanVariantKey(chunk, [one, two, one]),
    meanVariantKey(chunk, [{}, two]),
    meanVariantKey(other, [one, two]),
    variantKey(chunk, { ...one, ...two }),
  ]);
  expect(new Set([...names, ...means]).size).toBe(names.length + means.length);
  expect(means.slice(0, 5).every((name) => isKey(name) && chunkOf(name) === chunk)).toBe(true);
  expect(await meanVariantKey(chunk, [two])).toBe(names[3]);
  await expect(meanVariantKey(chunk, [])).rejects.toThrow(InvalidArgumentError);
  await expect(meanVariantKey(chunk, [one, { chunks: ['no'] }])).rejects.toThrow(
    InvalidArgumentError,
  );
  await expect(variantKey('no key', {})).rejects.toThrow(InvalidArgumentError);
  await expect(variantKey(chunk, { chunks: ['no key'] })).rejects.toThrow(InvalidArgumentError);
});

test('records of other tenants and labels have other places', async () => {
  const names = await Promise.all([
    accessName({}),
    accessName({ tenant: 'a' }),
    accessName({ label: 'a' }),
    accessName({ tenant: 'a', label: 'b' }),
    accessName({ tenant: 'ab' }),
    accessName({ tenant: '../a' }),
  ]);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[0-9a-f]{32}$/);
  expect(await accessName({ tenant: publicTenant })).toBe(names[0]);
});

test('a scope gives the keys that chunkKey gives', async () => {
  const scope = {
    model: {
      fingerprint: 'm',
      kv: { layers: 2, keyWidth: 4, valueWidth: 4, type: 'f16' as const },
    },
    tokenizer: { fingerprint: 't' },
    prefix: Int32Array.of(1, 2),
  };
  const chunk = Int32Array.of(3, 4);
  const key = await (await keyScope(scope)).key(chunk);
  expect(key).toMatch(/^[0-9a-f]{64}$/);
  expect(await chunkKey({ ...scope, tokens: chunk })).toBe(key);
  expect(await chunkKey({ ...scope, tokens: chunk, tenant: 'public' })).toBe(key);
  expect(await chunkKey({ ...scope, tokens: chunk, label: '' })).toBe(key);
});
