import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KvArena } from '../../../lib/engine/arena.js';
import { logSoftmax } from '../../../lib/testing/conformance/compare.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import {
  boundaryPolicy,
  carryOut,
  ContextOverflowError,
  contextPolicy,
  deviationPolicy,
  dualStagePolicy,
  fullPolicy,
  hybridPolicy,
  InvalidArgumentError,
  makePlan,
  nonePolicy,
  type PassageView,
  questionPolicy,
  randomPolicy,
  type RecomputePolicy,
  type RefreshPlan,
  type RefreshTarget,
  withShift,
} from '../../../lib/index.js';
import { plannedTokens } from '../../../lib/reuse/check-plan.js';
import { engine, forked, wovenTarget } from './support.js';

const byRatio: Record<string, (ratio: number) => RecomputePolicy> = {
  boundary: (ratio) => boundaryPolicy({ ratio }),
  deviation: (ratio) => deviationPolicy({ ratio, step: 1 }),
  'deviation, once': (ratio) => deviationPolicy({ ratio, filtering: 'once' }),
  context: (ratio) => contextPolicy({ ratio, focus: false }),
  'context, focus': (ratio) => contextPolicy({ ratio }),
  question: (ratio) => questionPolicy({ ratio }),
  'dual-stage': (ratio) => dualStagePolicy({ ratio }),
  random: (ratio) => randomPolicy({ ratio }),
  hybrid: (ratio) => hybridPolicy({ budget: { ratio } }),
  'hybrid without shift': (ratio) => hybridPolicy({ budget: { ratio }, strength: 0 }),
  'hybrid by coverage': (ratio) =>
    hybridPolicy({ budget: { coverage: 1, least: ratio, most: ratio } }),
};

const policies: Record<string, RecomputePolicy> = {
  none: nonePolicy(),
  full: fullPolicy(),
  'boundary by tokens': boundaryPolicy(),
  'context as it is': contextPolicy(),
  'hybrid by default': hybridPolicy(),
  'hybrid by tokens': hybridPolicy({ budget: { tokens: 3 } }),
  'hybrid by time': hybridPolicy({ budget: { milliseconds: 30 } }),
};
for (const [name, make] of Object.entries(byRatio)) {
  for (const ratio of [0, 0.15, 1]) policies[`${name} ${ratio}`] = make(ratio);
}
for (const [name, policy] of Object.entries(policies)) {
  if (name.startsWith('hybrid')) continue;
  policies[`${name} and shift`] = withShift(policy, { strength: 0.5, window: 4, halfLife: 8 });
}

/** Policies under which everything is computed again, whatever the prompt. */
const everything: Record<string, RecomputePolicy> = {
  full: fullPolicy(),
  'boundary, more tokens than there are': boundaryPolicy({ tokens: 1e6 }),
  'hybrid, more tokens than there are': hybridPolicy({ budget: { tokens: 1e9 } }),
  'hybrid, more time than is needed': hybridPolicy({ budget: { milliseconds: 1e9 } }),
};
for (const [name, make] of Object.entries(byRatio)) {
  // Out of focus is not computed to the end.
  if (name !== 'context, focus') everything[name] = make(1);
}

const garbage: readonly unknown[] = [null, 'old', 7, {}, { kind: 'encoding-statistics' }];

const stale = (target: RefreshTarget): RefreshTarget => ({
  ...target,
  passages: target.passages.map((view) => ({ ...view, exact: false })),
});

const withDetails = (target: RefreshTarget): RefreshTarget => ({
  ...target,
  passages: target.passages.map((view, i): PassageView => ({
    ...view,
    key: `k${i}`,
    context: { chunks: ['k0', 'gone'], warmupTokens: 12 },
    details: garbage[i % garbage.length],
  })),
});

type Made = { readonly target: RefreshTarget; readonly arena: KvArena };
const shallow = new FakeEngine({ layers: 3 });
const small = new FakeEngine({ layers: 6, contextLength: 5 + 20 + 7 });

const prompts: Record<string, () => Promise<Made>> = {
  'a chunk of one token': () => wovenTarget([4, 1, 6, 1]),
  'only chunks of one token': () => wovenTarget([1, 1, 1]),
  'an empty chunk': () => wovenTarget([4, 0, 6, 0]),
  'nothing but empty chunks': () => wovenTarget([0, 0]),
  'one chunk that is exact': () => wovenTarget([9]),
  'one chunk that is not exact': async () => {
    const made = await wovenTarget([9]);
    return { ...made, target: stale(made.target) };
  },
  'one stale token': async () => {
    const made = await wovenTarget([1]);
    return { ...made, target: stale(made.target) };
  },
  'the same chunk twice': () => wovenTarget([5, 8, 8, 3, 8], 1, { same: true }),
  '200 tiny chunks': () =>
    wovenTarget(
      Array.from({ length: 200 }, (_, i) => 1 + (i % 2)),
      1,
      { on: shallow },
    ),
  'a question longer than the passages': () => wovenTarget([3, 4, 2], 1, { questionTokens: 60 }),
  'a question of one token': () => wovenTarget([3, 4, 2], 1, { questionTokens: 1 }),
  'metadata of another kind, or none': async () => {
    const made = await wovenTarget([3, 4, 5, 6, 7, 8]);
    return { ...made, target: withDetails(made.target) };
  },
  'a context that fills the window': () => wovenTarget([6, 9, 5], 1, { on: small }),
};

/** Greatest difference of two rows of log-probabilities. */
function distance(a: Float32Array, b: Float32Array): number {
  const [p, q] = [logSoftmax(a), logSoftmax(b)];
  return p.reduce((most, value, i) => Math.max(most, Math.abs(value - q[i]!)), 0);
}

describe.each(Object.entries(prompts))('%s', (title, make) => {
  let made: Made;
  let target: RefreshTarget;
  /** Of the whole prompt, computed at once. */
  let expected: Float32Array;

  beforeAll(async () => {
    made = await make();
    target = { ...made.target, msPerToken: 10 };
    const plain = made.arena.createSequence();
    await plain.append(target.sequence.tokens, { logits: 'none' });
    expected = (await plain.append(target.question)).logits!.values.slice();
    plain.dispose();
  });

  afterAll(() => made.arena.dispose());

  async function run(
    policy: RecomputePolicy,
  ): Promise<{ readonly plan: RefreshPlan; readonly logits: Float32Array }> {
    const own = forked(target);
    try {
      const { plan, probed } = await makePlan(policy, own);
      const { logits, report } = await carryOut(own, plan, { probed });
      const most = plannedTokens(plan);
      expect(report.tokensByLayer.every((count) => count <= most)).toBe(true);
      expect(own.sequence.length).toBe(target.sequence.length + target.question.length);
      return { plan, logits };
    } finally {
      own.sequence.dispose();
    }
  }

  // What all or nothing of many does is seen where there are few.
  const some = Object.entries(policies).filter(
    ([name]) => !title.startsWith('200') || !/ [01]( |$)/.test(name),
  );

  test.each(some)('%s', async (_, policy) => {
    const before = await target.sequence.capture({ start: 0, end: target.sequence.length });
    const { free } = made.arena;
    const { plan, logits } = await run(policy);
    expect(logits).toHaveLength(target.model.vocabSize);
    expect(logits.every(Number.isFinite)).toBe(true);
    for (const { passage } of plan.passages) {
      if (!plan.policy.startsWith('full')) expect(target.passages[passage]!.exact).toBe(false);
    }
    // Nothing is left behind, and what the prompt is woven from is as it was.
    expect(made.arena.free).toBe(free);
    expect((await target.sequence.capture({ start: 0, end: target.sequence.length })).data).toEqual(
      before.data,
    );
  });

  test.each(Object.entries(everything))(
    'everything computed again is a plain prefill: %s',
    async (_, policy) => {
      expect(distance((await run(policy)).logits, expected)).toBeLessThan(1e-2);
    },
  );

  if (title.startsWith('a context that fills')) {
    test('it does fill it', async () => {
      const own = forked(target);
      await own.sequence.append(own.question);
      expect(own.sequence.length).toBe(small.model.contextLength);
      await expect(own.sequence.append(Int32Array.of(20))).rejects.toThrow(ContextOverflowError);
      own.sequence.dispose();
    });

    test('a question of one token more is refused, and nothing changes', async () => {
      const question = Int32Array.of(...target.question, 20);
      for (const policy of Object.values(policies)) {
        const own = { ...forked(target), question };
        const { free } = made.arena;
        const asked = (async () => {
          const { plan } = await makePlan(policy, own);
          return carryOut(own, plan);
        })();
        await expect(asked).rejects.toThrow(ContextOverflowError);
        own.sequence.dispose();
        expect(made.arena.free).toBe(free);
      }
    });
  }

  if (title.startsWith('metadata')) {
    test('a policy that needs it falls back and says so', async () => {
      const { plan } = await makePlan(contextPolicy(), forked(target));
      expect(plan.notes).toEqual([
        expect.stringMatching(/^5 of 6 passages came without attention statistics/),
      ]);
      expect(plannedTokens(plan)).toBeGreaterThan(0);
      for (const { tokens } of plan.passages) {
        expect([...tokens]).toEqual([...tokens.keys()]);
      }
    });
  }
});

describe.each(Object.entries(byRatio))('%s', (_, make) => {
  test.each([-1e-9, 1.0001, 15, Number.NaN, Infinity, -Infinity])(
    'a ratio of %p is refused',
    (ratio) => {
      expect(() => make(ratio)).toThrow(InvalidArgumentError);
    },
  );
});

test('what a policy gets of a target without a measured time has none', async () => {
  const { target, arena } = await wovenTarget([3, 4]);
  let seen: object | undefined;
  const spy: RecomputePolicy = {
    name: 'spy',
    plan(input) {
      seen = input;
      return { policy: 'spy', passages: [] };
    },
  };
  await makePlan(spy, target);
  expect(seen).not.toHaveProperty('msPerToken');
  await makePlan(spy, { ...target, msPerToken: 3 });
  expect(seen).toHaveProperty('msPerToken', 3);
  expect(seen).toHaveProperty('model', engine.model);
  await arena.dispose();
});
