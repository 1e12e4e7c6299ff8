import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { coragAgent, coragSelector, InvalidArgumentError } from '../../../lib/index.js';
import { agentWeights } from '../../../lib/select/corag/agent-weights.js';
import { featureNames, featuresOf } from '../../../lib/select/corag/features.js';
import { SetModel } from '../../../lib/select/corag/set-model.js';
import { propagate, TreeNode, ucb } from '../../../lib/select/corag/tree.js';
import { seededRandom } from '../../../lib/testing/index.js';
import { candidate, request, valueOfIds } from './support.js';

const size = 5;
const sets = fc.uniqueArray(
  fc.uniqueArray(fc.integer({ min: 0, max: size - 1 }), { minLength: 1 }).map((set) => set.sort()),
  { minLength: 2, maxLength: 8, selector: (set) => set.join() },
);

/** Solves by elimination with pivots: none of the library's equations. */
function solve(matrix: number[][], right: number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i] as number]);
  for (let i = 0; i < rows.length; i++) {
    let pivot = i;
    for (let k = i; k < rows.length; k++) {
      if (Math.abs(rows[k]![i]!) > Math.abs(rows[pivot]![i]!)) pivot = k;
    }
    [rows[i], rows[pivot]] = [rows[pivot]!, rows[i]!];
    for (let k = 0; k < rows.length; k++) {
      if (k === i) continue;
      const factor = rows[k]![i]! / rows[i]![i]!;
      for (let j = i; j < rows[k]!.length; j++) rows[k]![j]! -= factor * rows[i]![j]!;
    }
  }
  return rows.map((row, i) => row.at(-1)! / row[i]!);
}

test('the model of sets expects what a Bayesian regression on chunks and pairs does', () => {
  fc.assert(
    fc.property(
      sets,
      fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 8, maxLength: 8 }),
      (judged, values) => {
        const interplay = 0.7;
        const scores = [1, 0.8, 0.5, 0.2, 0];
        const model = new SetModel({
          places: [0, 1, 2, 3, 4],
          scores,
          interplay,
          random: seededRandom(1),
        });
        for (const [i, set] of judged.entries()) model.observe(set, values[i]!);
        const drawn = model.draw(0);
        // Features whose products are the covariance, weighted by their standard deviations.
        const features = (set: readonly number[]): number[] => [
          1,
          Math.sqrt(0.25) * set.reduce((sum, i) => sum + scores[i]!, 0),
          ...scores.map((_, i) => (set.includes(i) ? Math.sqrt(0.15) : 0)),
          ...scores.flatMap((_, i) =>
            scores
              .slice(0, i)
              .map((_, j) =>
                set.includes(i) && set.includes(j) ? Math.sqrt(0.15) * interplay : 0,
              ),
          ),
        ];
        const used = values.slice(0, judged.length);
        const mean = used.reduce((sum, value) => sum + value, 0) / used.length;
        const spread =
          Math.sqrt(used.reduce((sum, v) => sum + (v - mean) ** 2, 0) / used.length) || 1;
        const x = judged.map(features);
        const y = used.map((value) => (value - mean) / spread);
        const normal = x[0]!.map((_, i) =>
          x[0]!.map((_, j) => x.reduce((sum, row) => sum + row[i]! * row[j]!, i === j ? 0.01 : 0)),
        );
        const weights = solve(
          normal,
          x[0]!.map((_, i) => x.reduce((sum, row, n) => sum + row[i]! * y[n]!, 0)),
        );
        const expected = (set: readonly number[]): number =>
          features(set).reduce((sum, feature, i) => sum + feature * weights[i]!, 0);
        for (const [place, set] of [
          [0, []],
          [1, [0]],
          [4, [1, 2]],
          [3, [0, 1, 2, 4]],
        ] as const) {
          expect(drawn.gain(place, set)).toBeCloseTo(expected([...set, place]) - expected(set), 6);
        }
      },
    ),
    { numRuns: 50 },
  );
});

function spreadOf(list: number[]): number {
  const mean = list.reduce((sum, one) => sum + one, 0) / list.length;
  return Math.sqrt(list.reduce((sum, one) => sum + (one - mean) ** 2, 0) / list.length);
}

test('draws agree where sets were judged, and differ where they were not', () => {
  const model = new SetModel({
    places: [0, 1, 2, 3],
    scores: [1, 0.5, 0.2, 0],
    interplay: 0.5,
    random: seededRandom(4),
  });
  model.observe([], 0);
  for (const [place, value] of [
    [0, 2],
    [1, -1],
  ] as const)
    model.observe([place], value);
  const known: number[] = [];
  const unknown: number[] = [];
  for (let i = 0; i < 200; i++) {
    const drawn = model.draw(1);
    known.push(drawn.gain(0, []) - drawn.gain(1, []));
    unknown.push(drawn.gain(2, []) - drawn.gain(3, []));
  }
  expect(spreadOf(known)).toBeLessThan(0.35 * spreadOf(unknown));
});

test('the bound is the published one, with rewards brought to [0, 1]', () => {
  const empty = { members: [], key: '', chunks: [], cost: 0 };
  const root = new TreeNode(empty);
  const child = new TreeNode({ ...empty, members: [0], key: '0', cost: 25 }, 0);
  propagate([root], 2);
  propagate([root, child], 4);
  propagate([root, child], 8);
  expect([root.visits, root.reward, root.best]).toEqual([3, 14, 8]);
  const options = { exploration: 2.4, costCoefficient: 0.1, budget: 100, low: 2, high: 10 };
  // (6 - 2) / 8 + 2.4 sqrt(ln 3 / 2) - 0.1 * 25 / 100
  expect(ucb(child, 3, options)).toBeCloseTo(0.5 + 2.4 * Math.sqrt(Math.log(3) / 2) - 0.025, 12);
  expect(ucb(new TreeNode(empty), 3, options)).toBe(Infinity);
});

test('the agent takes the settings that it expects least regret of', async () => {
  const [first, ...others] = featureNames;
  const weights = {
    version: 1 as const,
    features: featureNames,
    means: featureNames.map(() => 0),
    deviations: featureNames.map(() => 1),
    arms: [
      { settings: { branch: 2 }, weights: [0.2, ...featureNames.map(() => 0)] },
      // Better the fewer chunks fit.
      { settings: { branch: 9 }, weights: [0, 0.15, ...others.map(() => 0)] },
    ],
  };
  expect(first).toBe('fit');
  const candidates = Array.from({ length: 12 }, (_, i) => candidate(`${i}`, 10, 1 - i / 12));
  const agent = coragAgent({ weights });
  // ln(1 + 2) * 0.15 is below 0.2, ln(1 + 10) * 0.15 above.
  expect(agent.settingsFor(request(candidates, { budget: 20 }))).toEqual({ branch: 9 });
  expect(agent.settingsFor(request(candidates, { budget: 100 }))).toEqual({ branch: 2 });
  expect(() => coragAgent({ weights: { ...weights, features: ['other'] } })).toThrow(
    InvalidArgumentError,
  );
  expect(() => coragAgent({ weights: { ...weights, arms: [] } })).toThrow(InvalidArgumentError);
  const sizes: number[] = [];
  const value = valueOfIds((ids) => ids.length);
  const counting = {
    ...value,
    of: (...[sets, options]: Parameters<typeof value.of>) => {
      sizes.push(sets.length);
      return value.of(sets, options);
    },
  };
  await coragSelector({ agent, seed: 3 }).select(
    request(candidates, { budget: 20, value: counting }),
  );
  expect(Math.max(...sizes)).toBeLessThanOrEqual(9);
  expect(Math.max(...sizes)).toBeGreaterThan(2);
});

test('the weights that ship fit the features, which are finite for odd candidates too', () => {
  expect(agentWeights.features).toEqual(featureNames);
  expect(() => coragAgent()).not.toThrow();
  const same = [candidate('a', 0, 1), candidate('b', 0, 1)];
  for (const candidates of [[], same, same.slice(1)]) {
    const features = featuresOf(request(candidates));
    expect(features.length).toBe(featureNames.length);
    expect(features.every(Number.isFinite)).toBe(true);
  }
});

test('settings outside of their ranges are refused', () => {
  for (const wrong of [
    { exploration: -1 },
    { exploration: NaN },
    { evaluations: 0 },
    { branch: 1.5 },
    { depth: 0 },
    { interplay: -0.1 },
    { seed: -1 },
    { maxCandidates: 0 },
    { completion: 'some' as 'none' },
  ]) {
    expect(() => coragSelector(wrong)).toThrow(InvalidArgumentError);
  }
});
