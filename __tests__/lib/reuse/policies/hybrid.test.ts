import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  carryOut,
  describePlan,
  fidelityTarget,
  type HybridBudget,
  hybridPolicy,
  InvalidArgumentError,
  makePlan,
  type PassageView,
  type PolicyInput,
  type QuestionAttentionOptions,
  type RefreshPlan,
} from '../../../../lib/index.js';
import { checkPlan, plannedTokens } from '../../../../lib/reuse/check-plan.js';
import { tokensCovering } from '../../../../lib/reuse/policies/hybrid.js';
import { engine, forked, wovenTarget } from '../support.js';

/** A prompt whose question looks at tokens as given; `exact` names passages whose KV is exact. */
function inputOf(
  weights: readonly (readonly number[])[],
  { exact = [], msPerToken }: { exact?: readonly number[]; msPerToken?: number } = {},
) {
  const passages = weights.map((row, i): PassageView => ({
    chunkId: `doc#${i}`,
    documentId: 'doc',
    tokens: new Int32Array(row.length),
    position: 0,
    exact: exact.includes(i),
    cached: true,
  }));
  const asked: QuestionAttentionOptions[] = [];
  const input: PolicyInput = {
    model: engine.model,
    passages,
    questionTokens: 3,
    probes: {
      async questionAttention(options = {}) {
        asked.push(options);
        return { layers: [0], passages: weights.map((row) => Float32Array.from(row)) };
      },
    },
    ...(msPerToken !== undefined && { msPerToken }),
  };
  return { input, passages, asked };
}

async function planOf(budget: HybridBudget | undefined, input: PolicyInput): Promise<RefreshPlan> {
  const policy = hybridPolicy(budget && { budget });
  const plan = await policy.plan(input);
  expect(plan.policy).toBe(policy.name);
  checkPlan(policy.name, plan, input.passages, input.model.layers);
  return plan;
}

const picksOf = ({ passages }: RefreshPlan): Record<number, number[]> =>
  Object.fromEntries(passages.map(({ passage, tokens }) => [passage, [...tokens]]));

const picks = async (
  budget: HybridBudget | undefined,
  ...given: Parameters<typeof inputOf>
): Promise<Record<number, number[]>> => picksOf(await planOf(budget, inputOf(...given).input));

const two = [
  [1, 9, 1, 1, 8],
  [7, 1, 1, 1, 1],
];

test('a ratio picks that share of all tokens, those that the question looks at most', async () => {
  expect(await picks({ ratio: 0.3 }, two)).toEqual({ 0: [1, 4], 1: [0] });
  expect(await picks({ ratio: 0.1 }, two)).toEqual({ 0: [1] });
  expect(plannedTokens(await planOf({ ratio: 1 }, inputOf(two).input))).toBe(10);
});

test('tokens are as many as that, or all that there are', async () => {
  expect(await picks({ tokens: 2 }, two)).toEqual({ 0: [1, 4] });
  expect(await picks({ tokens: 3.9 }, two)).toEqual({ 0: [1, 4], 1: [0] });
  expect(plannedTokens(await planOf({ tokens: 1e9 }, inputOf(two).input))).toBe(10);
  expect(plannedTokens(await planOf({ tokens: 1e9 }, inputOf(two, { exact: [0] }).input))).toBe(5);
});

test('milliseconds are as many tokens as they allow by what was measured', async () => {
  expect(await picks({ milliseconds: 7 }, two, { msPerToken: 3 })).toEqual({ 0: [1, 4] });
  expect(await picks({ milliseconds: 2.9 }, two, { msPerToken: 3 })).toEqual({});
  expect(
    plannedTokens(await planOf({ milliseconds: 1e6 }, inputOf(two, { msPerToken: 0.01 }).input)),
  ).toBe(10);
});

test('milliseconds are as coverage while nothing was measured', async () => {
  // 60% of 31 is 18.6: 9, 8 and 7.
  expect(await picks({ milliseconds: 1 }, two)).toEqual(await picks({}, two));
  expect(await picks({ milliseconds: 1 }, two)).toEqual({ 0: [1, 4], 1: [0] });
});

test.each<[HybridBudget, number | undefined]>([
  [{ ratio: 0 }, undefined],
  [{ tokens: 0 }, undefined],
  [{ tokens: 0.9 }, undefined],
  [{ milliseconds: 0 }, 5],
])('a budget of %j asks for nothing and computes nothing', async (budget, msPerToken) => {
  const { input, asked } = inputOf(two, msPerToken === undefined ? {} : { msPerToken });
  const plan = await planOf(budget, input);
  expect(plan.passages).toEqual([]);
  expect(plan.carry).toBeUndefined();
  expect(asked).toEqual([]);
});

test('coverage takes the fewest tokens that hold so much of the attention', async () => {
  const peaked = [[90, 1, 1, 1, 1, 1, 1, 1, 1, 2]];
  const flat = [[10, 10, 10, 10, 10, 10, 10, 10, 10, 10]];
  const limits = { least: 0, most: 1 };
  expect(await picks({ coverage: 0.5, ...limits }, peaked)).toEqual({ 0: [0] });
  expect(await picks({ coverage: 0.91, ...limits }, peaked)).toEqual({ 0: [0, 9] });
  expect(await picks({ coverage: 0.5, ...limits }, flat)).toEqual({ 0: [0, 1, 2, 3, 4] });
  expect(await picks({ coverage: 0.51, ...limits }, flat)).toEqual({ 0: [0, 1, 2, 3, 4, 5] });
  expect(await picks({ coverage: 1, ...limits }, [[0, 3, 0, 5]])).toEqual({ 0: [1, 3] });
});

test('coverage keeps to the least and the most', async () => {
  const peaked = [[90, 1, 1, 1, 1, 1, 1, 1, 1, 2]];
  const flat = [[10, 10, 10, 10, 10, 10, 10, 10, 10, 10]];
  expect(await picks({ least: 0.3, most: 0.6 }, peaked)).toEqual({ 0: [0, 1, 9] });
  expect(await picks({ least: 0.3, most: 0.4 }, flat)).toEqual({ 0: [0, 1, 2, 3] });
  expect(await picks({ least: 0.2, most: 0.2 }, flat)).toEqual({ 0: [0, 1] });
  expect(await picks({ least: 0, most: 0 }, flat)).toEqual({});
  // By default at most 0.3 of the tokens and half of the attention.
  expect(await picks(undefined, flat)).toEqual({ 0: [0, 1, 2] });
  expect(await picks(undefined, peaked)).toEqual({ 0: [0] });
  // And at least 0.02 of them.
  const [first, ...rest] = Array.from({ length: 100 }, (_, i) => (i === 0 ? 1000 : 1));
  expect(await picks(undefined, [[first!, ...rest]])).toEqual({ 0: [0, 1] });
});

test('what the question looks at in exact passages neither counts nor is picked', async () => {
  const weights = [
    [900, 900, 900],
    [6, 1, 1, 4],
  ];
  expect(await picks({ coverage: 0.5, least: 0, most: 1 }, weights, { exact: [0] })).toEqual({
    1: [0],
  });
  expect(await picks({ ratio: 0.3 }, weights, { exact: [0] })).toEqual({ 1: [0, 3] });
  expect(await picks({ ratio: 1 }, weights, { exact: [0] })).toEqual({ 1: [0, 1, 2, 3] });
  const { input, asked } = inputOf(weights, { exact: [0, 1] });
  const budgets: HybridBudget[] = [{}, { ratio: 0.5 }, { tokens: 3 }, { milliseconds: 10 }];
  for (const budget of budgets) {
    expect((await planOf(budget, input)).passages).toEqual([]);
  }
  expect(asked).toEqual([]);
});

test('no attention at all is the least', async () => {
  const none = [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]];
  expect(await picks({ coverage: 1, least: 0.2 }, none)).toEqual({ 0: [0, 1] });
  expect(await picks({ coverage: 1, least: 0 }, none)).toEqual({});
});

test('the whole question asks, in the layers that were given', async () => {
  const { input, asked } = inputOf(two);
  await hybridPolicy().plan(input);
  await hybridPolicy({ layers: [1, 4] }).plan(input);
  expect(asked).toEqual([{}, { layers: [1, 4] }]);
});

test('the change is carried to the others, unless its strength is 0 or nothing changes', async () => {
  const { input } = inputOf(two);
  expect((await hybridPolicy().plan(input)).carry).toMatchObject({ strength: 0.5, window: 32 });
  expect((await hybridPolicy({ strength: 1 }).plan(input)).carry).toMatchObject({ strength: 1 });
  const bare = await hybridPolicy({ strength: 0 }).plan(input);
  expect(bare.carry).toBeUndefined();
  expect(plannedTokens(bare)).toBeGreaterThan(0);
  const nothing = await hybridPolicy({ budget: { coverage: 1, least: 0, most: 0 } }).plan(input);
  expect(nothing).not.toHaveProperty('carry');
});

test('tokensCovering is what trying all sizes finds', () => {
  // Sums of small whole numbers are exact, and so is what they are compared with.
  const rows = fc.array(
    fc.option(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 9 }), { nil: undefined }),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(rows, fc.integer({ min: 0, max: 64 }), (weights, sixtyFourths) => {
      const all = weights.flatMap((row) => row ?? []);
      const target = (sixtyFourths / 64) * all.reduce((a, b) => a + b, 0);
      const best = (size: number): number =>
        all
          .toSorted((a, b) => b - a)
          .slice(0, size)
          .reduce((a, b) => a + b, 0);
      const expected = Array.from({ length: all.length + 1 }, (_, size) => size).find(
        (size) => best(size) >= target,
      );
      const scores = weights.map((row) => row && Float32Array.from(row));
      expect(tokensCovering(scores, sixtyFourths / 64)).toBe(expected);
    }),
  );
});

test('all of the attention is held by tokens that have some, whatever the sums round to', () => {
  const weight = fc.float({ min: Math.fround(1e-30), max: 100, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(weight, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 9 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (some, zeros, a, b) => {
        const scores = [Float32Array.from(some), new Float32Array(zeros)];
        expect(tokensCovering(scores, 1)).toBeLessThanOrEqual(some.length);
        expect(tokensCovering(scores, 0)).toBe(0);
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        expect(tokensCovering(scores, low)).toBeLessThanOrEqual(tokensCovering(scores, high));
      },
    ),
    { numRuns: 500 },
  );
});

test('a plan can be read', async () => {
  const { input, passages } = inputOf(two, { msPerToken: 4 });
  const policy = hybridPolicy({ budget: { milliseconds: 13 } });
  expect(describePlan(await policy.plan(input), { passages, msPerToken: 4 })).toBe(
    [
      'hybrid(13 ms, shift 0.5) computes 3 of 10 tokens (30.0%, about 12 ms) again',
      '  1. doc#0: 2 of 5 tokens (40.0%, about 8 ms): the question looks at them most',
      '  2. doc#1: 1 of 5 tokens (20.0%, about 4 ms): the question looks at them most',
      '  the others are corrected: by 0.5 times the mean change of those near them',
    ].join('\n'),
  );
});

test.each([
  [hybridPolicy(), 'hybrid(coverage 0.6, shift 0.5)'],
  [hybridPolicy({ budget: { coverage: 0.8 }, strength: 0 }), 'hybrid(coverage 0.8)'],
  [hybridPolicy({ budget: { ratio: 0.15 } }), 'hybrid(0.15, shift 0.5)'],
  [hybridPolicy({ budget: { tokens: 64 }, strength: 1 }), 'hybrid(64 tokens, shift 1)'],
  [hybridPolicy({ budget: { milliseconds: 200 } }), 'hybrid(200 ms, shift 0.5)'],
])('its name says what it does (%#)', (policy, name) => {
  expect(policy.name).toBe(name);
});

test.each([
  { budget: { ratio: -0.1 } },
  { budget: { ratio: 1.01 } },
  { budget: { ratio: Number.NaN } },
  { budget: { tokens: -1 } },
  { budget: { tokens: Infinity } },
  { budget: { milliseconds: -1 } },
  { budget: { milliseconds: Number.NaN } },
  { budget: { coverage: 0 } },
  { budget: { coverage: 1.5 } },
  { budget: { least: -0.1 } },
  { budget: { most: 2 } },
  { budget: { least: 0.4 } },
  { budget: { least: 0.2, most: 0.1 } },
  { strength: -0.1 },
  { strength: 1.1 },
  { strength: Number.NaN },
])('settings that cannot be are refused: %j', (options) => {
  expect(() => hybridPolicy(options)).toThrow(InvalidArgumentError);
  expect(() => hybridPolicy(options)).toThrow(/^hybridPolicy: \w+ is /);
});

test('it can be carried out for any passages and any budget, and leaves exact ones alone', async () => {
  const budget = fc.constantFrom<HybridBudget>(
    {},
    { coverage: 1, least: 0, most: 1 },
    { ratio: 0.4 },
    { tokens: 4 },
    { milliseconds: 9 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      budget,
      fc.constantFrom(0, 0.25, 1),
      async (sizes, budget, strength) => {
        const { target, arena } = await wovenTarget(sizes);
        const before = await target.sequence.capture(target.spans[0]!);
        const policy = hybridPolicy({ budget, strength });
        const { plan, probed } = await makePlan(policy, { ...target, msPerToken: 2 });
        expect(plan.passages.some(({ passage }) => passage === 0)).toBe(false);
        const run = forked(target);
        const { logits, report } = await carryOut(run, plan, { probed });
        expect(logits.every(Number.isFinite)).toBe(true);
        const stale = sizes.slice(1).reduce((sum, size) => sum + size, 0);
        const most = 'tokens' in budget || 'milliseconds' in budget ? 4 : stale;
        expect(plannedTokens(plan)).toBeLessThanOrEqual(Math.min(stale, most));
        expect([...report.tokensByLayer]).toEqual(
          Array.from({ length: engine.model.layers }, () => plannedTokens(plan)),
        );
        expect((await run.sequence.capture(target.spans[0]!)).data).toEqual(before.data);
        await arena.dispose();
      },
    ),
    { numRuns: 25 },
  );
});

test('with a fidelity target, takes what covers as much attention as the target asks for now', async () => {
  const { input } = inputOf([[], [0.5, 0.1, 0.2, 0.1, 0.1]]);
  const target = fidelityTarget({ kl: 0.1, coverage: 0.45 });
  const policy = hybridPolicy({ budget: target });
  expect(policy.name).toContain('KL of 0.1');
  expect(picksOf(await policy.plan(input))).toEqual({ 1: [0] });
  // Answers that are too far off: more is computed again, for all there is in the end.
  while (target.coverage < 0.65) policy.observe?.({ kl: 0.3 });
  expect(picksOf(await policy.plan(input))).toEqual({ 1: [0, 2] });
  for (let i = 0; i < 100; i++) policy.observe?.({ kl: 0 });
  expect(picksOf(await policy.plan(input))).toEqual({ 1: [0] });
});

test('only a target wants checks', () => {
  expect(hybridPolicy().observe).toBeUndefined();
  expect(hybridPolicy({ budget: { ratio: 0.1 } }).observe).toBeUndefined();
});
