import { expect, test } from '@jest/globals';
import { type AnswerVerdict, sageFeedback, SelectionError } from '../../../lib/index.js';
import { candidate, request } from './support.js';

const candidates = Array.from({ length: 6 }, (_, i) => candidate(`${i}`, 10, i === 0 ? 10 : 5 - i));

/** The score is best with `right` chunks, and the context says on which side the selection is. */
async function feedback(right: number, options: { rounds?: number; minK?: number } = {}) {
  const sizes: number[] = [];
  const result = await sageFeedback(request(candidates), {
    minK: 2,
    ...options,
    answer: async ({ chunks }) => chunks.length,
    evaluate: async (size): Promise<AnswerVerdict> => {
      sizes.push(size);
      const context = size > right ? 'excessive' : 'lacking';
      return { score: size === right ? 9 : 8 - Math.abs(size - right), context };
    },
  });
  return { sizes, ...result };
}

test('it widens until the answer is good enough, within its rounds', async () => {
  // The gradient goes on over the even scores: only the first fall is sharp.
  const wide = await feedback(6, { minK: 1 });
  expect(wide.sizes).toEqual([1, 6]);
  expect(wide.stopped).toBe('good enough');
  expect(wide.best.verdict.score).toBe(9);
});

test('it narrows, and gives the best round where none was good enough', async () => {
  const narrow = await feedback(1, { minK: 2, rounds: 2 });
  expect(narrow.sizes[0]).toBe(6);
  expect(narrow.rounds.length).toBeLessThanOrEqual(2);
  expect(narrow.best.verdict.score).toBe(Math.max(...narrow.rounds.map((r) => r.verdict.score)));
  const one = await feedback(3, { minK: 2, rounds: 1 });
  expect([one.sizes.length, one.stopped]).toEqual([1, 'rounds']);
});

test('it ends where the next round would be the same, or the context is right', async () => {
  const never = await sageFeedback(request(candidates, { budget: 10 }), {
    rounds: 9,
    answer: async () => 'a',
    evaluate: async () => ({ score: 1, context: 'lacking' }),
  });
  expect([never.rounds.length, never.stopped]).toEqual([1, 'nothing to change']);
  const right = await sageFeedback(request(candidates), {
    rounds: 9,
    answer: async () => 'a',
    evaluate: async () => ({ score: 1, context: 'right' }),
  });
  expect([right.rounds.length, right.stopped]).toEqual([1, 'context right']);
});

test('a verdict that is none is reported, an abort ends it', async () => {
  const wrong = sageFeedback(request(candidates), {
    answer: async () => 'a',
    evaluate: async () => ({ score: NaN, context: 'right' }),
  });
  await expect(wrong).rejects.toThrow(SelectionError);
  const controller = new AbortController();
  const aborted = sageFeedback(request(candidates, { signal: controller.signal }), {
    answer: async () => controller.abort(new Error('enough')),
    evaluate: async () => ({ score: 1, context: 'lacking' }),
  });
  await expect(aborted).rejects.toThrow('enough');
});
