import { expect, test } from '@jest/globals';
import {
  reciprocalRankBy,
  rerankingArms,
  type ScoredQuestion,
} from '../../../bench/selection/engine/reranking.js';
import { seededRandom } from '../../../lib/random.js';

test('the best relevant one counts, and of equal scores the earlier', () => {
  expect(reciprocalRankBy([1, 3, 2], [false, false, true])).toBe(1 / 2);
  expect(reciprocalRankBy([1, 3, 2], [true, false, true])).toBe(1 / 2);
  expect(reciprocalRankBy([2, 2], [true, false])).toBe(1);
  expect(reciprocalRankBy([2, 2], [false, true])).toBe(1 / 2);
  expect(reciprocalRankBy([2, 2], [false, false])).toBe(0);
});

/** `useful` scores the relevant one a little higher on average than the rest; `bm25` too, with noise of its own. */
function questions(count: number): ScoredQuestion[] {
  const random = seededRandom(5);
  return Array.from({ length: count }, (_, i): ScoredQuestion => {
    const right = Math.floor(random() * 8);
    const noisy = (signal: number) =>
      Array.from({ length: 8 }, (_, at) => random() + (at === right ? signal : 0));
    return {
      half: i % 2 === 0 ? 'search' : 'held-out',
      relevant: Array.from({ length: 8 }, (_, at) => at === right),
      scores: { bm25: noisy(0.5), useful: noisy(0.5), noise: noisy(0) },
    };
  });
}

test('what is joined with BM25 gains where both know something, and its share is chosen on the other half', () => {
  const all = questions(400);
  const arms = rerankingArms(all);
  expect(arms['bm25']?.gain).toBe(0);
  expect(arms['useful with bm25']!.low).toBeGreaterThan(0);
  expect(arms['noise']!.high).toBeLessThan(0);
  expect(arms['noise with bm25']!.prior).toBeGreaterThan(arms['useful with bm25']!.prior);
  // Nothing of the half that is told of goes into the choice.
  const changed = all.map((one) =>
    one.half === 'search' ? one : { ...one, relevant: one.relevant.toReversed() },
  );
  expect(rerankingArms(changed)['useful with bm25']!.prior).toBe(arms['useful with bm25']!.prior);
});
