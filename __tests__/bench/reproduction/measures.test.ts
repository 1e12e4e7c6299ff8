import { expect, test } from '@jest/globals';
import { ReproductionLab } from '../../../bench/reproduction/lab.js';
import { layerRanks } from '../../../bench/reproduction/layer-ranks.js';
import { compareRows, mean } from '../../../lib/evaluate/index.js';
import { writeFloats } from '../../../lib/engine/halves.js';
import type { ChunkKv } from '../../../lib/index.js';
import { fakeLab } from '../fidelity/fake-lab.js';

/** Keys of two numbers and values of one, for each layer and token. */
function kvOf(layers: readonly (readonly (readonly [number, number, number])[])[]): ChunkKv {
  const tokens = layers[0]!.length;
  const data = new Uint8Array(layers.length * tokens * 6);
  const floats = layers.flatMap((rows) => [
    ...rows.flatMap(([a, b]) => [a, b]),
    ...rows.map(([, , value]) => value),
  ]);
  writeFloats(Float32Array.from(floats), data);
  return {
    fingerprint: 'made up',
    layout: { layers: layers.length, keyWidth: 2, valueWidth: 1 } as ChunkKv['layout'],
    tokens: Int32Array.from({ length: tokens }, (_, i) => i),
    data,
    layers: { from: 0, to: layers.length },
  };
}

const zeros = (count: number) => Array.from({ length: count }, () => [0, 0, 0] as const);

test('tokens of all passages are ranked together by the squares of keys and values, from layer 1 on', () => {
  const fresh = (count: number) => kvOf([0, 1, 2, 3].map(() => zeros(count)));
  const first = kvOf([
    zeros(2),
    [
      [0, 1, 0],
      [0, 0, 2],
    ],
    [
      [1, 1, 0],
      [3, 0, 0],
    ],
    [
      [3, 0, 0],
      [0, 0, 1],
    ],
  ]);
  const second = kvOf([zeros(1), [[3, 0, 0]], [[0, 0, 4]], [[0, 2, 0]]]);
  // Layer 1: 1, 4, 9; layer 2: 2, 9, 16; layer 3: 9, 1, 4.
  const { pairs } = layerRanks([
    { cached: first, fresh: fresh(2) },
    { cached: second, fresh: fresh(1) },
  ]);
  expect(pairs).toHaveLength(2);
  expect(pairs[0]).toBe(1);
  // Ranks 1, 2, 3 and 3, 1, 2: 1 - 6 * (4 + 1 + 1) / 24.
  expect(pairs[1]).toBeCloseTo(-0.5, 12);
});

test('the harm of one stale passage is that of a prompt put together of exact KV and its own', async () => {
  const { engine, lab, item, arena, prefix } = await fakeLab();
  const { free } = arena;
  const claims = new ReproductionLab(lab, arena);
  const prepared = await claims.prepare(item);
  const arm = { measure: 'passage-impacts', warmup: 'document' } as const;
  const { cci, kl } = (await claims.run(prepared, arm, item)) as { cci: number[]; kl: number[] };
  const pieces = await lab.encode(prepared.fidelity, 'document', item);
  const told = pieces.flatMap(({ saw }, i) => (saw.length > 0 ? [i] : []));
  expect(told.length).toBeGreaterThan(1);
  expect(kl).toHaveLength(told.length);
  for (const value of cci) expect(value).toBeGreaterThan(0.5);
  const exact = arena.createSequence();
  const { prompt, reference } = prepared.fidelity;
  await exact.append(prompt);
  for (const [at, number] of told.entries()) {
    using sequence = prefix.fork();
    let start = prefix.length;
    for (const [i, { kv }] of pieces.entries()) {
      const span = { start, end: (start += kv.tokens.length) };
      await sequence.splice(i === number ? kv : await exact.capture(span));
    }
    const { logits } = await sequence.append(item.ask);
    const { logits: more } = await sequence.append(item.answer.slice(0, -1), { logits: 'all' });
    const values = Float32Array.of(...logits!.values, ...more!.values);
    const found = mean(compareRows(reference, { values, vocabSize: reference.vocabSize }).kl);
    expect(kl[at]).toBeCloseTo(found, 9);
    expect(found).toBeGreaterThan(1e-6);
  }
  exact.dispose();
  await claims.release(prepared);
  expect(arena.free).toBe(free);
  await engine.dispose();
});

test('ranks of layers come from the full prefill, and answers from the fidelity bench', async () => {
  const { engine, lab, item, arena } = await fakeLab();
  const { free } = arena;
  const claims = new ReproductionLab(lab, arena);
  const prepared = await claims.prepare(item);
  const ranked = await claims.run(prepared, { measure: 'layer-ranks', warmup: 'prefix' }, item);
  // Three layers, of which the lowest sees no other token.
  expect(ranked['pairs']).toHaveLength(1);
  const pieces = await lab.encode(prepared.fidelity, 'prefix', item);
  const { length } = prepared.fidelity.prompt;
  let start =
    length - item.ask.length - item.pieces.reduce((sum, one) => sum + one.tokens.length, 0);
  const passages = [];
  using sequence = arena.createSequence();
  await sequence.append(prepared.fidelity.prompt);
  for (const { kv } of pieces) {
    const span = { start, end: (start += kv.tokens.length) };
    passages.push({ cached: kv, fresh: await sequence.capture(span) });
  }
  expect(ranked).toEqual(layerRanks(passages.slice(1)));
  const arm = { warmup: 'prefix', policy: 'none', ratio: 0 };
  const [a, b] = [
    await claims.run(prepared, arm, item),
    await lab.run(prepared.fidelity, arm, item),
  ];
  expect(a['kl']).toBe(b.kl);
  await claims.release(prepared);
  sequence.dispose();
  expect(arena.free).toBe(free);
  await engine.dispose();
});
