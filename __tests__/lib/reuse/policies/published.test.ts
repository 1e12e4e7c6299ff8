import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  boundaryPolicy,
  carryOut,
  describePlan,
  deviationPolicy,
  dualStagePolicy,
  InvalidArgumentError,
  makePlan,
  type NarrowingView,
  type RecomputePolicy,
  randomPolicy,
  recomputeRatio,
  withShift,
} from '../../../../lib/index.js';
import { engine, forked, wovenTarget } from '../support.js';

const { layers } = engine.model;

const policies: Record<string, (ratio: number) => RecomputePolicy> = {
  random: (ratio) => randomPolicy({ ratio }),
  boundary: (ratio) => boundaryPolicy({ ratio }),
  deviation: (ratio) => deviationPolicy({ ratio, checkLayer: 0, step: 1 }),
  'deviation, once': (ratio) => deviationPolicy({ ratio, checkLayer: 0, filtering: 'once' }),
  'dual-stage': (ratio) => dualStagePolicy({ ratio, checkLayer: 0 }),
};

test.each(Object.entries(policies))(
  '%s can be carried out for any passages and any ratio, and leaves exact ones alone',
  async (_, make) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom(0, 0.05, 0.3, 0.5, 1),
        async (sizes, ratio) => {
          const { target, arena } = await wovenTarget(sizes);
          const { plan, probed } = await makePlan(make(ratio), target);
          expect(plan.passages.some(({ passage }) => passage === 0)).toBe(false);
          const { logits, report } = await carryOut(target, plan, { probed });
          expect(logits.every(Number.isFinite)).toBe(true);
          const total = sizes.reduce((sum, size) => sum + size, 0);
          const stale = total - sizes[0]!;
          const last = report.tokensByLayer[layers - 1]!;
          expect(last).toBeLessThanOrEqual(
            Math.min(stale, Math.ceil(ratio * total) + sizes.length),
          );
          if (ratio === 1) expect(last).toBe(stale);
          expect(recomputeRatio(report, total)).toBeGreaterThanOrEqual(0);
          await arena.dispose();
        },
      ),
      { numRuns: 12 },
    );
  },
);

test('chance picks the same tokens for a seed, and others for another', async () => {
  const { target, arena } = await wovenTarget([5, 40, 40]);
  const picks = async (seed: number): Promise<string> =>
    JSON.stringify(
      (await makePlan(randomPolicy({ ratio: 0.3, seed }), target)).plan.passages.map(
        ({ passage, tokens }) => [passage, ...tokens],
      ),
    );
  expect(await picks(7)).toBe(await picks(7));
  expect(await picks(7)).not.toBe(await picks(8));
  await arena.dispose();
});

test('the boundary is the first tokens of each passage but the exact one', async () => {
  const { target, arena } = await wovenTarget([5, 6, 2]);
  const picks = async (policy: RecomputePolicy) =>
    (await makePlan(policy, target)).plan.passages.map(({ passage, tokens }) => [
      passage,
      ...tokens,
    ]);
  expect(await picks(boundaryPolicy({ tokens: 3 }))).toEqual([
    [1, 0, 1, 2],
    [2, 0, 1],
  ]);
  expect(await picks(boundaryPolicy({ ratio: 4 / 13 }))).toEqual([
    [1, 0, 1, 2],
    [2, 0],
  ]);
  await arena.dispose();
});

test('deviation goes on with the tokens that deviate most, as a brute force finds them', async () => {
  const { target, arena } = await wovenTarget([5, 14, 11], 3);
  const seen: { keys: number[]; values: number[] } = { keys: [], values: [] };
  const everything = {
    policy: 'look',
    passages: [1, 2].map((passage) => ({
      passage,
      tokens: Int32Array.from(target.passages[passage]!.tokens.keys()),
      reason: 'all',
    })),
    narrowing: [
      {
        layer: 2,
        deviation: true,
        reason: 'look',
        keep: (view: NarrowingView) => {
          for (const part of ['keys', 'values'] as const) {
            seen[part].push(...view.deviation![part].flatMap((row) => [...row]));
          }
          return view.live;
        },
      },
    ],
  };
  await carryOut(forked(target), everything);
  for (const compare of ['keys', 'values', 'both'] as const) {
    const score = seen.keys.map((key, i) =>
      compare === 'keys' ? key : compare === 'values' ? seen.values[i]! : key + seen.values[i]!,
    );
    const expected = [...score.keys()].sort((a, b) => score[b]! - score[a]!).slice(0, 6);
    const run = forked(target);
    const policy = deviationPolicy({ ratio: 6 / 30, checkLayer: 1, compare, filtering: 'once' });
    const { plan } = await makePlan(policy, run);
    let kept: number[] = [];
    const [step] = plan.narrowing!;
    const { report } = await carryOut(run, {
      ...plan,
      narrowing: [
        {
          ...step!,
          keep(view) {
            const lists = step!.keep(view);
            kept = [...lists[1]!, ...[...lists[2]!].map((token) => token + 14)];
            return lists;
          },
        },
      ],
    });
    expect(kept.toSorted((a, b) => a - b)).toEqual(expected.toSorted((a, b) => a - b));
    expect([...report.tokensByLayer]).toEqual([
      25,
      25,
      ...Array.from({ length: layers - 2 }, () => 6),
    ]);
  }
  await arena.dispose();
});

test('gradual filtering shrinks with depth and keeps the ratio on average', async () => {
  const { target, arena } = await wovenTarget([5, 200, 195]);
  const { plan } = await makePlan(deviationPolicy({ ratio: 0.2, checkLayer: 0, step: 1 }), target);
  const { report } = await carryOut(target, plan);
  const above = [...report.tokensByLayer].slice(1);
  expect(above).toEqual(above.toSorted((a, b) => b - a));
  expect(new Set(above).size).toBeGreaterThan(1);
  const mean = above.reduce((sum, count) => sum + count, 0) / above.length;
  expect(mean / 400).toBeCloseTo(0.2, 2);
  expect(report.tokensByLayer[0]).toBe(395);
  await arena.dispose();
});

test('what two stages weigh is deviation times attention', async () => {
  const { target, arena } = await wovenTarget([5, 12, 9], 5);
  const { passages } = await (async () => {
    let seen: Awaited<
      ReturnType<Parameters<RecomputePolicy['plan']>[0]['probes']['questionAttention']>
    >;
    const spy: RecomputePolicy = {
      name: 'spy',
      async plan({ probes }) {
        seen = await probes.questionAttention({ lastTokens: 12 });
        return { policy: 'spy', passages: [] };
      },
    };
    await makePlan(spy, target);
    return seen!;
  })();
  const { plan } = await makePlan(dualStagePolicy({ ratio: 5 / 26, checkLayer: 1 }), target);
  const [step] = plan.narrowing!;
  let checked = false;
  await carryOut(target, {
    ...plan,
    narrowing: [
      {
        ...step!,
        keep(view) {
          const scores = view.live.flatMap((tokens, i) =>
            [...tokens].map((token, j) => ({
              i,
              token,
              score:
                Math.sqrt(view.deviation!.keys[i]![j]! + view.deviation!.values[i]![j]!) *
                passages[i]![token]!,
            })),
          );
          const best = scores.toSorted((a, b) => b.score - a.score).slice(0, 5);
          const kept = step!.keep(view);
          const names = kept.flatMap((list, i) => [...list].map((token) => `${i}.${token}`));
          expect(names.toSorted()).toEqual(best.map(({ i, token }) => `${i}.${token}`).toSorted());
          checked = true;
          return kept;
        },
      },
    ],
  });
  expect(checked).toBe(true);
  await arena.dispose();
});

test('plans with narrowings and corrections can be read', async () => {
  const { target, arena } = await wovenTarget([5, 12]);
  const policy = withShift(deviationPolicy({ ratio: 0.25, filtering: 'once' }), { strength: 0.5 });
  const { plan } = await makePlan(policy, target);
  const text = describePlan(plan, { passages: target.passages });
  expect(text).toMatch(
    /^deviation\(0.25, layer 1, both, once\) \+ shift\(0.5\) computes 12 of 17 tokens/,
  );
  expect(text).toMatch(/from layer 2 on only some: the 25% whose KV deviates most at layer 1/);
  expect(text).toMatch(
    /the others are corrected: by 0.5 times the mean change of those of their passage/,
  );
  await arena.dispose();
});

test.each([
  () => randomPolicy({ ratio: -0.1 }),
  () => boundaryPolicy({ ratio: 1.5 }),
  () => boundaryPolicy({ tokens: 0 }),
  () => deviationPolicy({ ratio: Number.NaN }),
  () => deviationPolicy({ checkLayer: -1 }),
  () => deviationPolicy({ step: 0 }),
  () => dualStagePolicy({ ratio: 2 }),
  () => dualStagePolicy({ lastTokens: 0 }),
  () => withShift(randomPolicy(), { strength: 2 }),
  () => withShift(randomPolicy(), { halfLife: 0 }),
])('settings that cannot be are refused (%#)', (make) => {
  expect(make).toThrow(InvalidArgumentError);
});

test('a check layer above the model is told with the policy’s name', async () => {
  const { target, arena } = await wovenTarget([5, 6]);
  const made = makePlan(deviationPolicy({ checkLayer: layers - 1 }), target);
  await expect(made).rejects.toThrow(new RegExp(`deviation.*the model has ${layers} layers`));
  await expect(makePlan(dualStagePolicy({ checkLayer: layers }), target)).rejects.toThrow(/layers/);
  await arena.dispose();
});
