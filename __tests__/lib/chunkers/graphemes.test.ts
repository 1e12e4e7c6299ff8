import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { splitsPair } from '../../../lib/chunkers/characters.js';
import { hardTexts } from '../../../lib/testing/chunkers/hard-texts.js';
import { isGraphemeStart } from '../../../lib/chunkers/graphemes.js';

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

function expectSameStarts(text: string): void {
  const expected = Array.from(segmenter.segment(text), ({ index }) => index);
  const found: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (!splitsPair(text, i) && isGraphemeStart(text, i)) found.push(i);
  }
  expect(found).toEqual(expected);
}

test.each(Object.entries(hardTexts))('graphemes of %s begin where Unicode says', (_name, text) => {
  expectSameStarts(text.slice(0, 2000));
});

test('graphemes of any text begin where Unicode says', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), expectSameStarts), { numRuns: 500 });
});
