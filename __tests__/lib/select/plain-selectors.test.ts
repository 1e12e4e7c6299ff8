import { expect, test } from '@jest/globals';
import {
  gradientSelector,
  InvalidArgumentError,
  thresholdSelector,
  topKSelector,
} from '../../../lib/index.js';
import { candidate, idsOf, request } from './support.js';

const scored = [
  candidate('a', 40, 10),
  candidate('b', 30, 9),
  candidate('c', 50, 8.5),
  candidate('d', 20, 4),
  candidate('e', 10, 0),
];

test('the first that fit are taken, what is too big is passed over', async () => {
  const { chunks, decisions } = await topKSelector().select(request(scored));
  expect(idsOf(chunks)).toEqual(['a', 'b', 'd', 'e']);
  expect(decisions[2]).toEqual({
    chunkId: 'c',
    chosen: false,
    reason: 'no room was left in the budget',
    cost: 50,
  });
  const two = await topKSelector({ k: 2 }).select(request(scored));
  expect(idsOf(two.chunks)).toEqual(['a', 'b']);
  expect(two.decisions[3]?.reason).toBe('not among the first 2 that fit the budget');
  const dear = await topKSelector({ k: 2 }).select(request(scored, { budget: 35 }));
  expect(idsOf(dear.chunks)).toEqual(['b']);
  expect(dear.decisions[0]?.reason).toBe('too dear: it costs 40 of a budget of 35');
});

test('a threshold of the scores', async () => {
  const select = thresholdSelector({ threshold: 4 }).select(request(scored, { budget: 1000 }));
  const { chunks, decisions } = await select;
  expect(idsOf(chunks)).toEqual(['a', 'b', 'c', 'd']);
  expect(decisions[4]?.reason).toBe('its score of 0 is below 4');
});

const byGradient = async (options: Parameters<typeof gradientSelector>[0]) =>
  idsOf((await gradientSelector(options).select(request(scored, { budget: 1000 }))).chunks);

test('scores down to the first sharp fall', async () => {
  // Falls, as shares of the range of 10: 0.1, 0.05, 0.45, 0.4.
  expect(await byGradient({ minK: 1 })).toEqual(['a', 'b', 'c']);
  expect(await byGradient({ minK: 1, gradient: 0.09 })).toEqual(['a']);
  expect(await byGradient({ minK: 2, gradient: 0.04 })).toEqual(['a', 'b']);
  expect(await byGradient({ minK: 1, gradient: 0.46 })).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(await byGradient({ minK: 4, gradient: 0.3 })).toEqual(['a', 'b', 'c', 'd']);
  expect(await byGradient({ minK: 1, maxK: 2 })).toEqual(['a', 'b']);
});

const withMinK1 = async (candidates: typeof scored) =>
  idsOf((await gradientSelector({ minK: 1 }).select(request(candidates, { budget: 1000 }))).chunks);

test('the scale of the scores does not matter to the gradient', async () => {
  const scaled = scored.map(({ chunk, score }) => ({ chunk, score: -7 + score / 1000 }));
  expect(await withMinK1(scaled)).toEqual(await withMinK1(scored));
});

test('options outside of their ranges are refused', () => {
  for (const make of [
    () => topKSelector({ k: 0 }),
    () => topKSelector({ k: 1.5 }),
    () => thresholdSelector({ threshold: NaN }),
    () => gradientSelector({ gradient: 0 }),
    () => gradientSelector({ gradient: 1.1 }),
    () => gradientSelector({ minK: 0 }),
    () => gradientSelector({ minK: 4, maxK: 3 }),
  ]) {
    expect(make).toThrow(InvalidArgumentError);
  }
});
