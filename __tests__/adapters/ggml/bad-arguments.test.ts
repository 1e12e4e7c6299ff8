import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { GgmlArena } from '../../../adapters/ggml/arena.js';
import type { KvSequence, RowGroup } from '../../../lib/engine/arena.js';
import type { ChunkKv } from '../../../lib/engine/chunk-kv.js';
import { toHalf } from '../../../lib/engine/half.js';
import {
  ChunkweaveError,
  ContextOverflowError,
  InvalidArgumentError,
  KvMismatchError,
} from '../../../lib/errors.js';
import { distance } from '../../support/logits.js';
import { compute, type OwnCompute, tinyFile } from '../../support/native.js';

const LAYERS = 3;
let own: OwnCompute;
let arena: GgmlArena;
let sequence: KvSequence;
let kv: ChunkKv;
let exact: Float32Array;

/** Logits of a question that a sequence of its own asks: whatever else is in the arena must not matter. */
async function bystander(): Promise<Float32Array> {
  using other = arena.createSequence();
  const { logits } = await other.append(own.tokens(40, 7), { logits: 'all' });
  return logits?.values as Float32Array;
}

/** The last bits depend on which cells a sequence has. */
async function expectUntouched(): Promise<void> {
  expect(distance(exact, await bystander(), own.vocabSize).deviations).toBeLessThan(1e-4);
}

beforeAll(async () => {
  const path = await tinyFile({ architecture: 'llama', layers: LAYERS, contextLength: 600 });
  own = await compute(path, { cells: 512, threads: 1 });
  arena = own.arena;
  sequence = arena.createSequence();
  await sequence.append(own.tokens(20, 1));
  kv = await sequence.capture({ start: 5, end: 15 });
  exact = await bystander();
});
afterAll(() => own.dispose());

/** The chunk with one number of its keys or values replaced. */
function withHalf(at: number, bits: number): ChunkKv {
  const data = kv.data.slice();
  new DataView(data.buffer).setUint16(at * 2, bits, true);
  return { ...kv, data };
}

const halves = (): number => kv.data.length / 2;

describe('chunk KV', () => {
  test.each([
    ['NaN', 0x7e00],
    ['another NaN', 0xffff],
    ['infinity', 0x7c00],
    ['negative infinity', 0xfc00],
    ['what rotation may make infinite', 0x7bff],
    ['the same below zero', 0xfbff],
  ])('with %s is refused, whatever its place, and touches nobody', async (_name, bits) => {
    const { free } = arena;
    for (const at of [0, 1, halves() >> 1, halves() - 2, halves() - 1]) {
      const bad = withHalf(at, bits);
      await expect(sequence.splice(bad)).rejects.toThrow(KvMismatchError);
      await expect(sequence.load({ start: 5, end: 15 }, bad)).rejects.toThrow(KvMismatchError);
      // Bytes of a record that was read from disk may begin anywhere.
      const shifted = new Uint8Array(bad.data.length + 1).subarray(1);
      shifted.set(bad.data);
      await expect(sequence.splice({ ...bad, data: shifted })).rejects.toThrow(KvMismatchError);
    }
    expect(arena.free).toBe(free);
    await expectUntouched();
  });

  test('with the largest numbers that are taken does not spread', async () => {
    for (const value of [32752, -32752]) {
      const data = new Uint8Array(new Uint16Array(halves()).fill(toHalf(value)).buffer);
      using large = arena.createSequence();
      await large.splice({ ...kv, data }, { position: 123 });
      await large.move({ start: 0, end: 10 }, 17);
      await expectUntouched();
    }
    await expectUntouched();
  });

  test('that does not begin at an even address is taken as it is', async () => {
    const shifted = new Uint8Array(kv.data.length + 1).subarray(1);
    shifted.set(kv.data);
    using copy = arena.createSequence();
    const span = await copy.splice({ ...kv, data: shifted }, { position: 5 });
    using same = arena.createSequence();
    await same.splice(kv, { position: 5 });
    expect((await copy.capture(span)).data).toEqual((await same.capture(span)).data);
  });

  test('of another model, shape or size is refused', async () => {
    const bad: ChunkKv[] = [
      { ...kv, fingerprint: 'another' },
      { ...kv, layout: { ...kv.layout, keyWidth: kv.layout.keyWidth * 2 } },
      { ...kv, layout: { ...kv.layout, layers: LAYERS + 1 } },
      { ...kv, data: kv.data.subarray(2) },
      { ...kv, data: new Uint8Array(0) },
      { ...kv, tokens: kv.tokens.slice(1) },
      { ...kv, tokens: Int32Array.from(kv.tokens, () => -1) },
      { ...kv, tokens: Int32Array.from(kv.tokens, () => own.vocabSize) },
      { ...kv, layers: { from: 0, to: LAYERS + 1 } },
      { ...kv, layers: { from: NaN, to: NaN } },
      { ...kv, layers: { from: 2, to: 1 } },
    ];
    for (const each of bad) {
      await expect(sequence.splice(each)).rejects.toThrow(KvMismatchError);
    }
    await expectUntouched();
  });
});

describe('a correction', () => {
  test.each([NaN, Infinity, -Infinity, 1e30, -70000])('of %d is refused', async (value) => {
    using fork = sequence.fork();
    const layers = { from: 0, to: 1 };
    for (const what of ['keys', 'values'] as const) {
      const list = new Float32Array(kv.layout.keyWidth);
      list[3] = value;
      await expect(fork.correct({ start: 2, end: 9 }, { layers, [what]: list })).rejects.toThrow(
        InvalidArgumentError,
      );
    }
    await expectUntouched();
  });
});

test('what does not fit says how many tokens there are and how many would fit', async () => {
  using long = arena.createSequence();
  const { free } = arena;
  const cells = long.append(own.tokens(free + 3));
  await expect(cells).rejects.toThrow(ContextOverflowError);
  await expect(cells).rejects.toThrow(`${free + 3} tokens are needed but only ${free} fit`);
  await expect(cells).rejects.toMatchObject({ needed: free + 3, available: free });
  const context = long.append(own.tokens(2), { positions: Int32Array.of(599, 600) });
  await expect(context).rejects.toThrow('601 tokens are needed but only 600 fit');
  await expect(context).rejects.toMatchObject({ needed: 601, available: 600 });
  expect(arena.free).toBe(free);
});

describe('numbers that are none', () => {
  const bad = [NaN, -1, 0.5, Infinity, -Infinity, 2 ** 31, 2 ** 53, -0.1];

  test('are refused as positions, spans, distances, layers and rows', async () => {
    const tokens = own.tokens(3, 2);
    const span = { start: 2, end: 9 };
    for (const n of bad) {
      const floats = Float64Array.of(n) as unknown as Int32Array;
      const calls: (() => unknown)[] = [
        () => sequence.append(floats),
        () => sequence.probe(floats),
        () => sequence.replace(span, floats),
        () => sequence.append(tokens.slice(0, 1), { positions: floats }),
        () => sequence.append(tokens, { logits: floats }),
        () => sequence.append(tokens, { attention: { layers: [n] } }),
        () => sequence.append(tokens, { attention: { groups: [n] } }),
        () => sequence.append(tokens, { attention: { spans: [{ start: n, end: 2 }] } }),
        () => sequence.append(tokens, { attention: { spans: [{ start: 0, end: n }] } }),
        () => sequence.append(tokens, { hidden: { layers: [n] } }),
        () => sequence.append(tokens, { hidden: { layers: [0], pool: [{ start: n, end: 2 }] } }),
        () => sequence.append(tokens, { hidden: { layers: [0], pool: [{ start: 0, end: n }] } }),
        () => sequence.refresh(floats),
        () => sequence.refresh(span, { deviation: [n] }),
        () => sequence.refresh({ start: n, end: 3 }),
        () => sequence.refresh({ start: 0, end: n }),
        () => sequence.capture({ start: n, end: 3 }),
        () => sequence.capture(span, { layers: { from: n, to: 1 } }),
        () => sequence.capture(span, { layers: { from: 0, to: n } }),
        () => sequence.splice(kv, { position: n }),
        () => sequence.load({ start: n, end: 15 }, kv),
        () => sequence.move(span, n === -1 ? -1e9 : n),
        () => sequence.drop({ start: 0, end: n }),
        () => sequence.fork(n),
        () => arena.createSequence().adopt(sequence, { start: 0, end: n }),
        () => sequence.correct(span, { layers: { from: 0, to: n } }),
      ];
      for (const [i, call] of calls.entries()) {
        const outcome = await (async () => call())().then(
          () => `call ${i} took ${n}`,
          (error: unknown) => error,
        );
        if (!ChunkweaveError.isInstance(outcome)) throw outcome;
        expect(['INVALID_ARGUMENT', 'CONTEXT_OVERFLOW']).toContain(outcome.code);
      }
      await using pass = await arena.begin([
        { kind: 'refresh', sequence, entries: Int32Array.of(1, 4) },
      ]);
      await expect(pass.advance(n)).rejects.toThrow(InvalidArgumentError);
      expect(() => pass.keep(floats)).toThrow(InvalidArgumentError);
    }
    expect(sequence.length).toBe(20);
    await expectUntouched();
  });

  test('a span of rows to pool is never empty', async () => {
    using fork = sequence.fork();
    const pool = [{ start: 1, end: 1 }];
    await expect(fork.append(own.tokens(3), { hidden: { layers: [0], pool } })).rejects.toThrow(
      InvalidArgumentError,
    );
  });

  test('sequences of others, in any disguise, are refused', async () => {
    const tokens = own.tokens(2);
    const stranger = await compute(own.path, { cells: 256, threads: 1 });
    const foreign = stranger.arena.createSequence();
    await foreign.append(tokens);
    const disguises = [foreign, { ...foreign }, Object.create(foreign), {}, null, undefined];
    for (const each of disguises as KvSequence[]) {
      const groups: RowGroup[] = [
        { kind: 'append', sequence: each, tokens },
        { kind: 'refresh', sequence: each, entries: Int32Array.of(0) },
      ];
      for (const group of groups) {
        await expect(arena.forward([group])).rejects.toThrow(InvalidArgumentError);
        await expect(arena.begin([group])).rejects.toThrow(InvalidArgumentError);
      }
      expect(() => sequence.adopt(each, { start: 0, end: 1 })).toThrow(InvalidArgumentError);
    }
    await stranger.dispose();
    await expectUntouched();
  });
});

test('more than 65,535 sequences may share a cell', () => {
  const { free } = arena;
  const forks = Array.from({ length: 65_600 }, () => sequence.fork(1));
  expect(arena.free).toBe(free);
  for (const fork of forks) fork.dispose();
  expect(arena.free).toBe(free);
});
