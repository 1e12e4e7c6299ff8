import { expect, test } from '@jest/globals';
import { cacheTrace, zipfTrace } from '../../../bench/selection/engine/cache-trace.js';
import { recallOf } from '../../../bench/selection/engine/questions.js';
import { cacheAwareSelector, CostModel } from '../../../lib/index.js';
import { hits } from '../../lib/select/stand-ins.js';

const questionOf = (i: number) => {
  const candidates = hits(...[0, 1, 2, 3].map((n) => `c${(3 * i + n) % 30}`));
  const right = candidates[0]!.chunk.id;
  return {
    item: {
      id: `${i}`,
      question: `${i}?`,
      answers: [],
      corpus: 'c',
      documents: [],
      gold: { kind: 'answer' } as const,
      evidence: [({ id }: { readonly id: string }) => id === right],
    },
    candidates,
  };
};
const questions = Array.from({ length: 10 }, (_, i) => questionOf(i));
const costs = new CostModel();
costs.observeCompute({ tokens: 100 }, 400);

const options = {
  questions,
  tokensOf: () => 100,
  corpusTokens: 3000,
  costs,
  loadMsPerToken: 0.1,
  prefixTokens: 10,
  questionTokens: 10,
  topK: 2,
  length: 400,
  exponent: 0.9,
  seed: 1,
  selectors: { aware: cacheAwareSelector({ sure: 0 }) },
  budgets: [1, 0.5],
};

test('a budget of time is kept on average, and a larger store takes less', async () => {
  const small = await cacheTrace({ ...options, storeShare: 0.1 });
  const large = await cacheTrace({ ...options, storeShare: 1 });
  expect(large['best 2']!.firstTokenMs).toBeLessThan(small['best 2']!.firstTokenMs);
  expect(small['best 2']!.recall).toBe(1);
  expect(small['best 2']!.passages).toBe(2);
  expect(small['aware at 1']!.firstTokenMs).toBeLessThanOrEqual(small['best 2']!.firstTokenMs);
  expect(small['aware at 0.5']!.firstTokenMs).toBeLessThan(small['aware at 1']!.firstTokenMs);
});

test('a trace is skewed as Zipf says', () => {
  const trace = zipfTrace({ questions, length: 20_000, exponent: 0.9, seed: 2 });
  const counts = questions.map((_, i) => trace.filter((n) => n === i).length);
  const sorted = counts.toSorted((a, b) => b - a);
  for (const rank of [2, 5]) {
    expect(sorted[0]! / sorted[rank - 1]!).toBeGreaterThan(0.85 * rank ** 0.9);
    expect(sorted[0]! / sorted[rank - 1]!).toBeLessThan(1.15 * rank ** 0.9);
  }
});

test('recall and rank go by evidence', () => {
  const { item, candidates } = questionOf(0);
  const chunks = candidates.map(({ chunk }) => chunk);
  expect(recallOf(item, chunks)).toBe(1);
  expect(recallOf(item, chunks.slice(1))).toBe(0);
});

const isEven = ({ item }: { readonly item: { readonly id: string } }) => Number(item.id) % 2 === 0;

test('figures of a part are of its questions only, and all are asked', async () => {
  const arms = await cacheTrace({
    ...options,
    storeShare: 0.1,
    views: { even: isEven, odd: (question) => !isEven(question) },
  });
  const plain = await cacheTrace({ ...options, storeShare: 0.1 });
  for (const [name, arm] of Object.entries(plain)) {
    expect(arms[name]).toEqual(arm);
    const [even, odd] = [arms[`even: ${name}`]!, arms[`odd: ${name}`]!];
    expect(Math.min(even.firstTokenMs, odd.firstTokenMs)).toBeLessThanOrEqual(arm.firstTokenMs);
    expect(Math.max(even.firstTokenMs, odd.firstTokenMs)).toBeGreaterThanOrEqual(arm.firstTokenMs);
    expect(even.firstTokenMs).not.toBe(odd.firstTokenMs);
  }
});
