import { expect, test } from '@jest/globals';
import { comparisonLine, placeOf, reuseLine } from '../../../../adapters/cli/report/answer.js';
import type { Answer, Source } from '../../../../lib/index.js';

function answer(
  usage: Partial<Answer['usage']>,
  firstToken: number,
  reuse: Answer['reuse'] = 'woven',
): Answer {
  return {
    text: '',
    reuse,
    usage: { prompt: 1200, cached: 1000, recomputed: 150, fresh: 50, ...usage },
    timings: { firstToken },
  } as Answer;
}

test('the reuse line says what was reused, and against an estimate of a full prefill how much sooner', () => {
  expect(reuseLine(answer({}, 200), 1)).toBe(
    'First token after 200 ms. 1,200 prompt tokens: 1,000 cached, 150 recomputed, 50 new. ' +
      'About 6.0 times sooner than computing all of it (estimated 1.20 s; --compare measures).',
  );
});

test.each([
  ['no measured cost', answer({}, 200), undefined],
  ['no gain worth a sentence', answer({}, 1160), 1],
  ['a full prefill', answer({}, 200, 'full'), 1],
  ['nothing cached', answer({ cached: 0, recomputed: 0, fresh: 1200 }, 200), 1],
])('no claim of a speedup: %s', (_, given, msPerToken) => {
  expect(reuseLine(given, msPerToken)).toMatch(/ new\.$/);
});

test('the comparison names both times and where the tokens came from', () => {
  expect(comparisonLine(answer({}, 250), answer({}, 1000, 'full'), 4)).toBe(
    'First token: woven after 250 ms, by full prefill after 1.00 s: 4.0 times sooner. ' +
      'Of 1,200 prompt tokens, 1,000 came from the cache, 150 were recomputed and 50 were new.',
  );
});

test('a source is placed by file and lines, or by its span where lines are not known', () => {
  const source = { title: 'Guide', documentId: 'guide.md', start: 10, end: 14, text: 'a\nb\n' };
  expect(placeOf({ ...source, metadata: { line: 3 } } as unknown as Source)).toBe('guide.md:3-4');
  expect(placeOf(source as unknown as Source)).toBe('Guide [10-14)');
});
