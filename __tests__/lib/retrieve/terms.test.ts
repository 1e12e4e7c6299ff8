import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { termsOf } from '../../../lib/retrieve/terms.js';

test.each([
  ["The President's café, naïve ÜBER", ['the', 'president', 'cafe', 'naive', 'uber']],
  ["don’t can't O'Brien", ['dont', 'cant', 'obrien']],
  ['1,000 is 1000; pi 3.14. End.', ['1000', 'is', '1000', 'pi', '3.14', 'end']],
  ['U.S. e.g. node.js', ['u', 's', 'e', 'g', 'node', 'js']],
  ['snake_case state-of-the-art', ['snake', 'case', 'state', 'of', 'the', 'art']],
  ['ﬁne ＷＩＤＥ Straße', ['fine', 'wide', 'strasse']],
  ['знание — сила', ['знание', 'сила']],
  ['الْعِلْمُ نُورٌ', ['العلم', 'نور']],
  ['知识力', ['知', '识', '知识', '力', '识力']],
  ['iPhone手机5', ['iphone', '手', '机', '手机', '5']],
  ['データ', ['デ', 'ー', 'デー', 'タ', 'ータ']],
  ['나라 말', ['나라', '말']],
  ['हिन्दी', ['हिन्दी']],
  ['  … !? \u0000 🎉 ', []],
])('%s', (text, terms) => {
  expect(termsOf(text)).toEqual(terms);
});

test('any text gives terms that are short, not empty and in lower case', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      for (const term of termsOf(text)) {
        expect(term.length).toBeGreaterThan(0);
        expect(term.length).toBeLessThanOrEqual(64);
        expect(term).not.toMatch(/\s/);
      }
    }),
  );
});
