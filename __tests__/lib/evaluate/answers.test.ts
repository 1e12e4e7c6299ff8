import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { answerF1, answerWords, editSimilarity, exactMatch } from '../../../lib/evaluate/index.js';

test.each([
  ['The Eiffel Tower!', 'eiffel tower'],
  ['a “quoted”, (bracketed) answer…', 'quoted bracketed answer'],
  ['Café  CAFÉ', 'café café'],
  ['$3.5 million', '3 5 million'],
  ['東京タワー', '東 京 タ ワ ー'],
  ['', ''],
])('%s is compared as %s', (text, words) => {
  expect(answerWords(text).join(' ')).toBe(words);
});

test.each([
  ['Exeter College', ['Exeter College'], 1, 1],
  ['the Exeter college.', ['Exeter College'], 1, 1],
  // 2 of 5 words, both of 2: 2 * 2 / 7.
  ['He studied at Exeter College', ['Exeter College'], 0, 4 / 7],
  ['London', ['Paris', 'London, England'], 0, 2 / 3],
  ['yes yes', ['yes'], 0, 2 / 3],
  ['', ['Paris'], 0, 0],
  ['the', ['a'], 1, 1],
])('%j against %j: exact %d, F1 %d', (answer, golds, exact, f1) => {
  expect(exactMatch(answer, golds)).toBe(exact);
  expect(answerF1(answer, golds)).toBeCloseTo(f1, 10);
});

test('F1 is symmetric, in [0, 1], and 1 for the same words in any order', () => {
  const words = fc.array(fc.constantFrom('red', 'green', 'blue', 'owl'), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(words, words, (a, b) => {
      const [left, right] = [a.join(' '), b.join(' ')];
      const f1 = answerF1(left, [right]);
      expect(f1).toBeCloseTo(answerF1(right, [left]), 12);
      expect(f1).toBeGreaterThanOrEqual(0);
      expect(f1).toBeLessThanOrEqual(1);
      expect(answerF1(left, [a.toReversed().join(' ')])).toBe(1);
    }),
  );
});

/** The recursive definition. */
function distance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  if (a[0] === b[0]) return distance(a.slice(1), b.slice(1));
  return (
    1 + Math.min(distance(a.slice(1), b), distance(a, b.slice(1)), distance(a.slice(1), b.slice(1)))
  );
}

test('edit similarity is by the distance that its definition gives', () => {
  const short = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
  fc.assert(
    fc.property(short, short, (a, b) => {
      const longest = Math.max(a.length, b.length);
      const expected = longest === 0 ? 1 : 1 - distance(a, b) / longest;
      expect(editSimilarity(a, b)).toBeCloseTo(expected, 12);
    }),
  );
  expect(editSimilarity('kitten', 'sitting')).toBeCloseTo(1 - 3 / 7, 12);
  expect(editSimilarity('👩‍🚀a', '👩‍🚀b')).toBeCloseTo(1 - 1 / 4, 12);
});
