import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { type Chunk, type ChunkState, CostModel, millisecondsCost } from '../../../../lib/index.js';

const chunk = (id: string): Chunk => ({
  id,
  documentId: id,
  start: 0,
  end: 1,
  text: 'x',
  tokens: new Int32Array(1),
  tokenStart: 0,
});
const hit = (id: string) => ({ chunk: chunk(id), score: 1 });

/** 10 ms a batch, 2 ms a token, nothing for pairs. */
const measured = { predictCompute: cost(10, 2, 0) };

function cost(fixed: number, token: number, pair: number): CostModel['predictCompute'] {
  return (work) =>
    [work]
      .flat()
      .reduce(
        (sum, { tokens, before = 0 }) =>
          sum + token * tokens + pair * tokens * (before + tokens / 2),
        fixed,
      );
}

const state = fc.record({
  tokens: fc.integer({ min: 1, max: 500 }),
  load: fc.option(fc.double({ min: 0, max: 5000, noNaN: true }), { nil: undefined }),
});

test('cached passages are loaded, others encoded, all but the first in part computed again', () => {
  const chunks = new Map<string, ChunkState>([
    ['near', { tokens: 100, cached: { tier: 'memory', loadMs: 3 } }],
    ['slow', { tokens: 100, cached: { tier: 's3', loadMs: 900 } }],
    ['new', { tokens: 50 }],
  ]);
  const { of, unit } = millisecondsCost({
    costs: measured,
    chunks,
    prefixTokens: 20,
    questionTokens: 10,
    refreshShare: 0.1,
  });
  expect(unit).toBe('milliseconds');
  expect(of([])).toBe(0);
  expect(of([hit('near')])).toBeCloseTo(3);
  // What takes longer to load than to compute is computed.
  expect(of([hit('slow')])).toBeCloseTo(10 + 2 * 100);
  expect(of([hit('new')])).toBeCloseTo(10 + 2 * 50);
  expect(of([hit('near'), hit('new')])).toBeCloseTo(3 + (10 + 2 * 50) + 2 * 0.1 * 50);
});

test('adding a passage anywhere never makes a set cheaper, and cached is never dearer than new', () => {
  const coefficient = fc.double({ min: 0, max: 10, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(state, { minLength: 1, maxLength: 6 }),
      fc.nat(),
      fc.tuple(coefficient, coefficient, fc.double({ min: 0, max: 0.01, noNaN: true })),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (states, at, [fixed, token, pair], refreshShare) => {
        const given = new Map<string, ChunkState>();
        const bare = new Map<string, ChunkState>();
        for (const [i, { tokens, load }] of states.entries()) {
          const cached = load === undefined ? {} : { cached: { tier: 't', loadMs: load } };
          given.set(`${i}`, { tokens, ...cached });
          bare.set(`${i}`, { tokens });
        }
        const common = {
          costs: { predictCompute: cost(fixed, token, pair) },
          prefixTokens: 30,
          questionTokens: 12,
          refreshShare,
        };
        const all = states.map((_, i) => hit(`${i}`));
        const fewer = all.filter((_, i) => i !== at % all.length);
        const { of } = millisecondsCost({ ...common, chunks: given });
        const whole = of(all);
        expect(Number.isFinite(whole)).toBe(true);
        expect(whole).toBeGreaterThanOrEqual(of(fewer) - 1e-6 * (1 + whole));
        const one = all.slice(0, 1);
        const fresh = millisecondsCost({ ...common, chunks: bare }).of(one);
        expect(of(one)).toBeLessThanOrEqual(fresh + 1e-6 * (1 + fresh));
      },
    ),
  );
});

test('costs compare before anything was measured', () => {
  const chunks = new Map<string, ChunkState>([
    ['new', { tokens: 50 }],
    ['kept', { tokens: 50, cached: { tier: 'memory', loadMs: 0 } }],
  ]);
  const options = { costs: new CostModel(), chunks, prefixTokens: 5, questionTokens: 5 };
  const { of } = millisecondsCost(options);
  expect(of([hit('kept')])).toBe(0);
  expect(of([hit('new')])).toBe(50);
  expect(of([hit('kept'), hit('new')])).toBeGreaterThan(50);
});

test('refuses a share that is none, and a chunk that it knows nothing of', () => {
  const options = { costs: measured, chunks: new Map(), prefixTokens: 0, questionTokens: 1 };
  for (const refreshShare of [-0.1, 1.1, Number.NaN]) {
    expect(() => millisecondsCost({ ...options, refreshShare })).toThrow(/refreshShare/);
  }
  expect(() => millisecondsCost(options).of([hit('who')])).toThrow(/nothing is known of who/);
});
