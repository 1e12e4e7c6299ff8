import { expect, test } from '@jest/globals';
import { type AnswerablePair, answerableArms } from '../../../bench/selection/engine/answerable.js';
import { seededRandom } from '../../../lib/random.js';

test('a signal that tells has all of the area, one that shifts with the question only the pairs, noise neither', () => {
  const random = seededRandom(3);
  const pairs = Array.from({ length: 30 }, (): AnswerablePair => {
    // How high it is at all differs more between questions than an answer adds.
    const level = 10 * random();
    return {
      with: { tells: 2 + random(), shifts: level + 0.1, noise: random(), same: 1 },
      without: { tells: random(), shifts: level, noise: random(), same: 1 },
      passMs: 1,
    };
  });
  const arms = answerableArms(pairs);
  expect(Object.keys(arms)).toEqual(['tells', 'shifts', 'noise', 'same']);
  expect(arms['tells']).toMatchObject({ questions: 30, auc: 1, low: 1, high: 1, paired: 1 });
  expect(arms['shifts']!.paired).toBe(1);
  expect(arms['shifts']!.auc).toBeLessThan(0.6);
  expect(arms['shifts']!.high).toBeGreaterThan(arms['shifts']!.auc);
  expect(arms['noise']!.low).toBeLessThan(0.5);
  expect(arms['noise']!.high).toBeGreaterThan(0.5);
  expect(arms['same']).toMatchObject({ auc: 0.5, paired: 0.5 });
});
