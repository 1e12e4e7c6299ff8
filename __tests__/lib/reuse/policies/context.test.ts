import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  carryOut,
  contextPolicy,
  type EncodingStatistics,
  InvalidArgumentError,
  makePlan,
  packStatistics,
  type PassageView,
  type RefreshTarget,
  unpackStatistics,
} from '../../../../lib/index.js';
import { plannedTokens } from '../../../../lib/reuse/check-plan.js';
import { disorder } from '../../../../lib/reuse/policies/context.js';
import { wovenTarget } from '../support.js';

/** Statistics whose a and b come out as the formulas say. */
function statistics(
  byToken: readonly number[],
  masses: readonly [tokens: number, mass: number][],
  intra: number,
): EncodingStatistics {
  const tokens = byToken.length;
  const inter = masses.map(([count, mass], chunk) => ({ chunk, tokens: count, mass }));
  const a = inter.reduce((sum, { mass, tokens: count }) => sum + mass / (tokens * count), 0);
  const b = intra / tokens ** 2;
  const interByToken = Float32Array.from(byToken);
  return { tokens, layers: [1], inter, intra, interByToken, a, b, cci: 1 / (1 + Math.exp(-a / b)) };
}

async function targetWith(
  sizes: readonly number[],
  views: readonly Partial<PassageView>[],
): Promise<{ target: RefreshTarget; done: () => Promise<void> }> {
  const { target, arena } = await wovenTarget(sizes);
  const passages = target.passages.map((view, i) => ({ ...view, key: `k${i}`, ...views[i] }));
  return { target: { ...target, passages }, done: () => arena.dispose() };
}

const leaning = statistics(
  [0.1, 0.9, 0.2, 0.8],
  [
    [10, 1],
    [5, 1],
  ],
  4,
);

test('the overhead is alpha times CCI, for what does not stand before the passage again', async () => {
  const details = packStatistics(leaning);
  const context = { chunks: ['k0', 'k9'], warmupTokens: 15 };
  // a = 1/40 + 1/20, b = 4/16: CCI = 1 / (1 + exp(-0.3)) = 0.5744; half of the mass is matched by k0.
  const { target, done } = await targetWith(
    [6, 4, 4],
    [{}, { details, context }, { details, context: { ...context, chunks: ['k8', 'k9'] } }],
  );
  const { plan } = await makePlan(contextPolicy({ focus: false }), target);
  const picks = plan.passages.map(({ passage, tokens }) => [passage, ...tokens.toSorted()]);
  // ceil(4 * 0.5744 / 2) = 2 and ceil(4 * 0.5744) = 3, those with most attention to earlier chunks.
  expect(picks).toEqual([
    [1, 1, 3],
    [2, 1, 2, 3],
  ]);
  expect(plan.notes).toBeUndefined();
  await done();
});

test('earlier chunks in another order count less', async () => {
  const details = packStatistics(leaning);
  const picks = async (chunks: string[]) => {
    const views = [{ exact: true }, {}, { details, context: { chunks, warmupTokens: 15 } }];
    const { target, done } = await targetWith([5, 5, 4], views);
    const { plan } = await makePlan(contextPolicy({ focus: false }), target);
    await done();
    return plan.passages.find(({ passage }) => passage === 2)?.tokens.length ?? 0;
  };
  expect(await picks(['k0', 'k1'])).toBe(0);
  // One pair, discordant: gamma 1, so nothing is matched.
  expect(await picks(['k1', 'k0'])).toBe(3);
});

test.each([
  [[], 0],
  [[3], 0],
  [[0, 1, 2], 0],
  [[2, 1, 0], 1],
  [[1, 0, 2], 1 / 3],
  [[0, 3, 1, 2], 2 / 6],
])('gamma of %j is %d', (places, gamma) => {
  expect(disorder(places)).toBeCloseTo(gamma);
});

test('a ratio is met by scaling all overheads alike', async () => {
  const details = packStatistics(
    statistics(
      Array.from({ length: 40 }, (_, i) => i / 40),
      [[10, 4]],
      20,
    ),
  );
  const { target, done } = await targetWith([10, 40, 40], [{}, { details }, {}]);
  const { plan } = await makePlan(contextPolicy({ ratio: 0.2, focus: false }), target);
  expect(plannedTokens(plan)).toBeGreaterThanOrEqual(17);
  expect(plannedTokens(plan)).toBeLessThanOrEqual(19);
  expect(plan.notes).toEqual([expect.stringMatching(/^1 of 3 passages came without/)]);
  // Without statistics it begins with the first tokens.
  const bare = plan.passages.find(({ passage }) => passage === 2)!.tokens;
  expect([...bare]).toEqual([...bare.keys()]);
  await done();
});

test('passages that the question does not look at are left in the middle of the model', async () => {
  const { target, done } = await targetWith([6, 8, 8], []);
  const { plan } = await makePlan(contextPolicy({ ratio: 0.5 }), target);
  const [step] = plan.narrowing!;
  expect(step).toMatchObject({ attention: true });
  const kept = step!.keep({
    layer: step!.layer,
    live: [Int32Array.of(), Int32Array.of(1, 2), Int32Array.of(0, 3)],
    attention: [Float32Array.of(1, 1), Float32Array.of(0.1, 0.2), Float32Array.of(2, 1)],
  });
  expect(kept.map((list) => [...list])).toEqual([[], [], [0, 3]]);
  const { report } = await carryOut(target, plan);
  expect([...report.tokensByLayer]).toEqual([...report.tokensByLayer].toSorted((a, b) => b - a));
  await done();
});

test('details of any kind are taken for missing ones', () => {
  fc.assert(
    fc.property(fc.anything(), (details) => {
      expect(unpackStatistics(details)).toBeUndefined();
    }),
  );
  const packed = packStatistics(leaning);
  for (const bad of [
    { ...packed, kind: 'other' },
    { ...packed, inter: [1, 2] },
    { ...packed, inter: ['a', 1, 2] },
    { ...packed, layers: 3 },
    { ...packed, intra: 0 },
    { ...packed, intra: Number.NaN },
    { ...packed, byToken: new Uint8Array(3) },
    { ...packed, byToken: new Uint8Array(0) },
    { ...packed, byToken: [1, 2] },
    { ...packed, byLayer: [1, 2] },
  ]) {
    expect(unpackStatistics(bad)).toBeUndefined();
  }
});

test('statistics come back as they were, to half precision', () => {
  const back = unpackStatistics(packStatistics(leaning))!;
  expect(back).toMatchObject({ tokens: 4, layers: [1], inter: leaning.inter, intra: 4 });
  expect(back.cci).toBeCloseTo(0.5744, 4);
  expect(back.a).toBeCloseTo(leaning.a, 12);
  for (const [i, mass] of leaning.interByToken.entries())
    expect(back.interByToken[i]).toBeCloseTo(mass, 3);
});

test('values by layer that are not as many as there are layers and tokens are left out', () => {
  const packed = packStatistics(leaning);
  expect(unpackStatistics(packed)!.byLayer).toBeUndefined();
  const bad = unpackStatistics({ ...packed, byLayer: new Uint8Array(14) })!;
  expect(bad.byLayer).toBeUndefined();
  const good = unpackStatistics({ ...packed, byLayer: new Uint8Array(16) })!;
  expect(good.byLayer).toEqual({ inter: new Float32Array(4), intra: new Float32Array(4) });
});

test.each([{ ratio: -1 }, { ratio: 2 }, { alpha: -1 }, { alpha: Infinity }])(
  '%j is refused',
  (bad) => {
    expect(() => contextPolicy(bad)).toThrow(InvalidArgumentError);
  },
);
