import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  describePlan,
  fullPolicy,
  InvalidArgumentError,
  nonePolicy,
  type PolicyInput,
  type PassageView,
  questionPolicy,
  type RecomputePolicy,
} from '../../../../lib/index.js';
import { checkPlan, plannedTokens } from '../../../../lib/reuse/check-plan.js';
import { heaviest } from '../../../../lib/reuse/heaviest.js';
import { FakeEngine } from '../../../../lib/testing/index.js';

const { model } = new FakeEngine();

function inputOf(weights: readonly number[][], exact = false) {
  const passages = weights.map((row, i): PassageView => ({
    chunkId: `doc#${i}`,
    documentId: 'doc',
    tokens: new Int32Array(row.length),
    position: 0,
    exact: exact && i === 0,
    cached: true,
  }));
  let probes = 0;
  const input: PolicyInput = {
    model,
    passages,
    questionTokens: 3,
    probes: {
      async questionAttention() {
        probes++;
        return { layers: [0], passages: weights.map((row) => Float32Array.from(row)) };
      },
    },
  };
  return { input, passages, probed: () => probes };
}

async function pick(
  policy: RecomputePolicy,
  input: PolicyInput,
): Promise<Record<number, number[]>> {
  const plan = await policy.plan(input);
  checkPlan(policy.name, plan, input.passages);
  return Object.fromEntries(plan.passages.map(({ passage, tokens }) => [passage, [...tokens]]));
}

test('the question’s heaviest tokens are picked, over all passages', async () => {
  const { input } = inputOf([
    [1, 9, 1, 1, 8],
    [7, 1, 1, 1, 1],
  ]);
  expect(await pick(questionPolicy({ ratio: 0.3 }), input)).toEqual({ 0: [1, 4], 1: [0] });
});

test('passages whose KV is exact are left alone', async () => {
  const { input } = inputOf(
    [
      [9, 9, 9, 9, 9],
      [1, 2, 3, 4, 5],
    ],
    true,
  );
  expect(await pick(questionPolicy({ ratio: 0.2 }), input)).toEqual({ 1: [3, 4] });
  expect(await pick(questionPolicy({ ratio: 1 }), input)).toEqual({ 1: [0, 1, 2, 3, 4] });
});

test('nothing to pick asks for nothing', async () => {
  const { input, probed } = inputOf([[1, 2, 3]]);
  expect(await pick(questionPolicy({ ratio: 0 }), input)).toEqual({});
  expect(await pick(nonePolicy(), input)).toEqual({});
  expect(probed()).toBe(0);
});

test('full takes everything, exact or not', async () => {
  const { input } = inputOf([[1, 2], [3]], true);
  expect(await pick(fullPolicy(), input)).toEqual({ 0: [0, 1], 1: [0] });
});

test.each([-0.1, 1.01, Number.NaN, Infinity])('a ratio of %p is refused by name', (ratio) => {
  expect(() => questionPolicy({ ratio })).toThrow(InvalidArgumentError);
  expect(() => questionPolicy({ ratio })).toThrow(/questionPolicy: ratio/);
});

test('heaviest picks as many as asked, none lighter than one left out', () => {
  const row = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 8 });
  fc.assert(
    fc.property(
      fc.array(fc.option(row, { nil: undefined }), { maxLength: 5 }),
      fc.integer({ min: -1, max: 30 }),
      (rows, count) => {
        const picked = heaviest(
          rows.map((values) => values && Float32Array.from(values)),
          count,
        );
        const total = rows.reduce((sum, values) => sum + (values?.length ?? 0), 0);
        const inside: number[] = [];
        const outside: number[] = [];
        for (const [i, values] of rows.entries()) {
          const set = new Set(picked[i]);
          values?.forEach((weight, t) => (set.has(t) ? inside : outside).push(weight));
          if (picked[i]!.some((t, n) => n > 0 && t <= picked[i]![n - 1]!)) return false;
        }
        const wanted = Math.max(0, Math.min(count, total));
        return inside.length === wanted && Math.min(...inside) >= Math.max(...outside, -1);
      },
    ),
  );
});

test('a plan can be read', async () => {
  const { input, passages } = inputOf([
    [1, 9, 1, 1, 8],
    [7, 1, 1, 1, 1],
  ]);
  const plan = await questionPolicy({ ratio: 0.3 }).plan(input);
  expect(plannedTokens(plan)).toBe(3);
  expect(describePlan(plan, { passages, msPerToken: 4 })).toBe(
    [
      'question(0.3) computes 3 of 10 tokens (30.0%, about 12 ms) again',
      '  1. doc#0: 2 of 5 tokens (40.0%, about 8 ms): the question looks at them most',
      '  2. doc#1: 1 of 5 tokens (20.0%, about 4 ms): the question looks at them most',
    ].join('\n'),
  );
});
