import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  type Narrowing,
  type NarrowingView,
  PolicyError,
  type RefreshPlan,
} from '../../../lib/index.js';
import { layerKeys, layerValues } from '../../../lib/engine/chunk-kv.js';
import { shiftCarry } from '../../../lib/reuse/carry/shift.js';
import { floatsOf } from '../../../lib/engine/halves.js';
import { checkPlan } from '../../../lib/reuse/check-plan.js';
import { carryOut } from '../../../lib/reuse/refresh/carry-out.js';
import { recomputeRatio } from '../../../lib/reuse/refresh/report.js';
import { engine, forked, wovenTarget } from './support.js';

const { layers } = engine.model;

function planOf(picks: readonly number[][], narrowing?: readonly Narrowing[]): RefreshPlan {
  return {
    policy: 'test',
    passages: picks.map((tokens, passage) => ({
      passage,
      tokens: Int32Array.from(tokens),
      reason: 'a test',
    })),
    ...(narrowing && { narrowing }),
  };
}

const all = (view: NarrowingView): readonly Int32Array[] => view.live;

/** Squared distance of one token's rows. */
function distance(old: Uint8Array, fresh: Uint8Array, width: number, token: number): number {
  const [a, b] = [floatsOf(old), floatsOf(fresh)];
  let sum = 0;
  for (let i = token * width; i < (token + 1) * width; i++) sum += (a![i]! - b![i]!) ** 2;
  return sum;
}

function noIdea(): never {
  throw new Error('no idea');
}

test('a narrowing that leaves nothing out changes nothing', async () => {
  const { target, arena } = await wovenTarget([6, 9, 8]);
  const picks = [[], [0, 3, 8], [7, 1]];
  const plain = await carryOut(forked(target), planOf(picks));
  const stepped = await carryOut(
    forked(target),
    planOf(picks, [{ layer: 1, reason: 'all', keep: all, deviation: true, attention: true }]),
  );
  expect([...stepped.logits]).toEqual([...plain.logits]);
  expect(stepped.report).toEqual(plain.report);
  expect([...plain.report.tokensByLayer]).toEqual(Array.from({ length: layers }, () => 5));
  expect(plain.report.layerTokens).toEqual({
    refreshed: 5 * layers,
    probed: 0,
    question: 7 * layers,
  });
  expect(recomputeRatio(plain.report, 23)).toBeCloseTo(5 / 23);
  await arena.dispose();
});

test('tokens that are left out keep what they came with, from that layer on', async () => {
  const { target, arena } = await wovenTarget([4, 10]);
  const span = target.spans[1]!;
  const before = await target.sequence.capture(span);
  const run = forked(target);
  const { report } = await carryOut(
    run,
    planOf(
      [[], [0, 1, 2, 5, 9]],
      [{ layer: 1, reason: 'some', keep: () => [new Int32Array(0), Int32Array.of(9, 1)] }],
    ),
  );
  const after = await run.sequence.capture(span);
  expect([...report.tokensByLayer]).toEqual([5, ...Array.from({ length: layers - 1 }, () => 2)]);
  const width = engine.model.kv.valueWidth;
  for (let layer = 0; layer < layers; layer++) {
    const [old, fresh] = [
      floatsOf(layerValues(before, layer)),
      floatsOf(layerValues(after, layer)),
    ];
    for (let token = 0; token < 10; token++) {
      const row = (values: Float32Array) => values.slice(token * width, (token + 1) * width);
      const mayChange = layer > 0 && [1, 9].includes(token);
      if (!mayChange && layer > 0) expect(row(fresh)).toEqual(row(old));
      if (mayChange) expect(row(fresh)).not.toEqual(row(old));
    }
  }
  await arena.dispose();
});

test('a narrowing sees how far fresh KV is from cached KV', async () => {
  const { target, arena } = await wovenTarget([4, 8, 6]);
  const before = await Promise.all(target.spans.map((span) => target.sequence.capture(span)));
  const run = forked(target);
  const views: NarrowingView[] = [];
  const layer = 2;
  const picks = [[], [1, 2, 7], [0, 5]];
  await carryOut(
    run,
    planOf(picks, [
      {
        layer,
        reason: 'all',
        deviation: true,
        attention: true,
        keep: (view) => (views.push(view), view.live),
      },
    ]),
  );
  const [view] = views;
  expect(view!.live.map((list) => [...list])).toEqual(picks);
  const { keyWidth, valueWidth } = engine.model.kv;
  for (const [passage, tokens] of picks.entries()) {
    const after = await run.sequence.capture(target.spans[passage]!);
    for (const [place, token] of tokens.entries()) {
      const old = before[passage]!;
      const keys = distance(
        layerKeys(old, layer - 1),
        layerKeys(after, layer - 1),
        keyWidth,
        token,
      );
      const values = distance(
        layerValues(old, layer - 1),
        layerValues(after, layer - 1),
        valueWidth,
        token,
      );
      expect(values).toBeGreaterThan(0);
      // The cells hold half precision, what is compared is computed in more.
      expect(view!.deviation!.values[passage]![place]).toBeCloseTo(values, 2);
      expect(view!.deviation!.keys[passage]![place]).toBeCloseTo(keys, 2);
    }
    expect(view!.attention![passage]).toHaveLength(target.passages[passage]!.tokens.length);
  }
  // One layer's mass: at most one for each head and token of the question.
  const mass = view!.attention!.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0);
  expect(mass).toBeGreaterThan(0);
  expect(mass).toBeLessThanOrEqual(engine.model.heads * target.question.length + 1e-3);
  await arena.dispose();
});

test('narrowings in any number compute what they say, whatever is picked', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 1e6 }),
      fc.subarray(Array.from({ length: layers - 1 }, (_, i) => i + 1)),
      async (sizes, seed, steps) => {
        const { target, arena } = await wovenTarget(sizes, seed);
        const picks = sizes.map((size) => Array.from({ length: size }, (_, i) => i));
        const counts: number[] = [];
        const narrowing = steps.map((layer): Narrowing => ({
          layer,
          reason: 'every other one',
          keep(view) {
            const kept = view.live.map((list) =>
              list.filter((_, i) => (i + layer + seed) % 2 === 0),
            );
            counts.push(kept.reduce((sum, list) => sum + list.length, 0));
            return kept;
          },
        }));
        const { report, logits } = await carryOut(target, planOf(picks, narrowing));
        let expected = sizes.reduce((a, b) => a + b, 0);
        for (let layer = 0; layer < layers; layer++) {
          const step = steps.indexOf(layer);
          if (step >= 0) expected = counts[step]!;
          expect(report.tokensByLayer[layer]).toBe(expected);
        }
        expect(logits.every(Number.isFinite)).toBe(true);
        expect(target.sequence.length).toBe(5 + sizes.reduce((a, b) => a + b, 0) + 7);
        await arena.dispose();
      },
    ),
    { numRuns: 15 },
  );
});

test.each([
  ['one that is not computed', () => [Int32Array.of(), Int32Array.of(3)], /token 3 of passage 1/],
  ['one twice', () => [Int32Array.of(), Int32Array.of(1, 1)], /named twice/],
  ['too few lists', () => [Int32Array.of()], /list of 2 passages/],
  ['no list', () => undefined as never, /list of 2 passages/],
])('a narrowing that keeps %s is refused by its policy’s name', async (_, keep, message) => {
  const { target, arena } = await wovenTarget([3, 5]);
  const refused = carryOut(
    forked(target),
    planOf([[], [1, 2]], [{ layer: 1, reason: 'bad', keep }]),
  );
  await expect(refused).rejects.toThrow(PolicyError);
  await expect(refused).rejects.toThrow(message);
  // Others that share the passages can be asked.
  expect((await carryOut(target, planOf([]))).logits).toHaveLength(engine.model.vocabSize);
  await arena.dispose();
});

test('a narrowing that throws is its policy’s failure', async () => {
  const { target, arena } = await wovenTarget([3, 5]);
  const failed = carryOut(target, planOf([[], [1]], [{ layer: 2, reason: 'bad', keep: noIdea }]));
  await expect(failed).rejects.toThrow(/"test" failed at layer 2: Error: no idea/);
  await arena.dispose();
});

test.each([[[0]], [[2, 1]], [[1, 1]], [[layers]], [[1.5]]])(
  'layers of narrowings must ascend within the model: %j',
  (numbers) => {
    const narrowing = numbers.map((layer) => ({ layer, reason: 'x', keep: all }));
    expect(() => checkPlan('test', planOf([], narrowing), [], layers)).toThrow(PolicyError);
  },
);

test('the mean shift of refreshed tokens is carried to the others before the question sees them', async () => {
  const { target, arena } = await wovenTarget([4, 9, 5]);
  const span = target.spans[1]!;
  const before = await target.sequence.capture(span);
  const refreshed = [2, 6, 7];
  const bare = forked(target);
  await carryOut(bare, planOf([[], refreshed]));
  const fresh = await bare.sequence.capture(span);
  const run = forked(target);
  const plan = { ...planOf([[], refreshed]), carry: shiftCarry({ strength: 0.5 }) };
  const { logits } = await carryOut(run, plan);
  const after = await run.sequence.capture(span);
  for (let layer = 0; layer < layers; layer++) {
    for (const part of [layerKeys, layerValues]) {
      const width = part === layerKeys ? engine.model.kv.keyWidth : engine.model.kv.valueWidth;
      const [old, one, got] = [before, fresh, after].map((kv) => floatsOf(part(kv, layer)));
      for (let i = 0; i < width; i++) {
        let mean = 0;
        for (const token of refreshed)
          mean += (one![token * width + i]! - old![token * width + i]!) / 3;
        for (let token = 0; token < 9; token++) {
          const at = token * width + i;
          const expected = refreshed.includes(token) ? one![at]! : old![at]! + 0.5 * mean;
          expect(Math.abs(got![at]! - expected)).toBeLessThan(4e-3 * (1 + Math.abs(expected)));
        }
      }
    }
  }
  // The other stale passage had nothing to carry, and is as it came.
  expect((await run.sequence.capture(target.spans[2]!)).data).toEqual(
    (await target.sequence.capture(target.spans[2]!)).data,
  );
  expect(logits.every(Number.isFinite)).toBe(true);
  await arena.dispose();
});

test('a shift that fades gives each token most of its nearest neighbour’s', async () => {
  const { target, arena } = await wovenTarget([3, 12]);
  const span = target.spans[1]!;
  const before = await target.sequence.capture(span);
  const bare = forked(target);
  await carryOut(bare, planOf([[], [0, 11]]));
  const fresh = await bare.sequence.capture(span);
  const run = forked(target);
  await carryOut(run, {
    ...planOf([[], [0, 11]]),
    carry: shiftCarry({ window: 1, halfLife: 0.5 }),
  });
  const after = await run.sequence.capture(span);
  const width = engine.model.kv.valueWidth;
  const layer = layers - 1;
  const [old, one, got] = [before, fresh, after].map((kv) => floatsOf(layerValues(kv, layer)));
  for (const [token, nearest] of [
    [1, 0],
    [10, 11],
  ] as const) {
    for (let i = 0; i < width; i++) {
      const shift = one![nearest * width + i]! - old![nearest * width + i]!;
      const at = token * width + i;
      expect(got![at]! - old![at]!).toBeCloseTo(shift, 2);
    }
  }
  await arena.dispose();
});
