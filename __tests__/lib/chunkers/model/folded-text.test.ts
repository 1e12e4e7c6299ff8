import { expect, test } from '@jest/globals';
import { assert, constantFrom, property, string } from 'fast-check';
import { FoldedText } from '../../../../lib/chunkers/model/folded-text.js';

const found = (text: string, quotation: string, from = 0) => {
  const place = new FoldedText(text).find(quotation, from);
  return place && text.slice(place.start, place.end);
};

test.each<[string, string, string]>([
  ['case and blanks', 'He said:\n  The  Cat\tsat down.', 'the cat sat'],
  ['quotation marks and dashes', 'And “it’s here” – she said', '"it\'s here" - she'],
  ['a letter that has two small ones', 'In İstanbul now', 'i̇stanbul'],
  ['halves of characters', 'a\ud800b and c', '\ud800B AND'],
])('finds a quotation whatever %s', (_, text, quotation) => {
  const place = new FoldedText(text).find(quotation, 0);
  expect(place?.isExact).toBe(true);
  const part = text.slice(place!.start, place!.end);
  expect(part.replaceAll(/\s+/g, ' ').length).toBe(quotation.replace('i̇', 'i').length);
});

test('finds what is a little wrong, and says so; what is very wrong it does not find', () => {
  const text = 'One is here. The second sentence stands there. Three is here.';
  expect(found(text, 'The secnd sentense stnds')).toBe('The second sentence stands');
  expect(new FoldedText(text).find('The secnd sentense', 0)?.isExact).toBe(false);
  expect(found(text, 'Dragons fly over the sea')).toBeUndefined();
  expect(found(text, '')).toBeUndefined();
  expect(found(text, 'cat')).toBeUndefined();
});

test('takes the first place from where it is told to begin, one that is wanted before others', () => {
  const text = new FoldedText('no yes. Yes no. yes', 100);
  expect(text.find('yes', 100)).toMatchObject({ start: 103, end: 106 });
  expect(text.find('yes', 104)).toMatchObject({ start: 108 });
  expect(text.find('yes', 100, (start) => start === 116)).toMatchObject({ start: 116 });
  expect(text.find('yes', 100, () => false)).toMatchObject({ start: 103 });
  expect(text.find('yes', 117)).toBeUndefined();
});

test('knows how a text ends', () => {
  const text = new FoldedText('This is how it all ended. \n');
  expect(text.endsWith('it all ended.', true)).toBe(true);
  expect(text.endsWith('it al endet', true)).toBe(false);
  expect(text.endsWith('it al endet', false)).toBe(true);
  expect(text.endsWith('how it all', false)).toBe(false);
});

const letters = (maxLength: number) => string({ unit: constantFrom('a', 'b', 'c'), maxLength });

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(
        Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    }
    row = next;
  }
  return row[b.length]!;
}

test('no part of the text is nearer than the one that is found', () => {
  assert(
    property(letters(24), letters(14), (text, quotation) => {
      let least = Infinity;
      for (let start = 0; start < text.length; start++) {
        for (let end = start + 1; end <= text.length; end++) {
          least = Math.min(least, distance(quotation, text.slice(start, end)));
        }
      }
      const place = new FoldedText(text).find(quotation, 0);
      if (quotation === '' || least > Math.floor(quotation.length / 4))
        expect(place).toBeUndefined();
      else expect(distance(quotation, text.slice(place!.start, place!.end))).toBe(least);
    }),
    { numRuns: 300 },
  );
});
