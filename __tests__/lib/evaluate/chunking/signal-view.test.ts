import { expect, test } from '@jest/globals';
import { signalView } from '../../../../lib/evaluate/index.js';

const chunk = (start: number, end: number) => ({
  id: `${start}`,
  documentId: 'd',
  start,
  end,
  text: '',
  tokens: new Int32Array(0),
  tokenStart: 0,
});

test('signals are plotted along the text, with the borders of chunkers below', () => {
  const signal = {
    name: 'loss <nats>',
    points: [
      { at: 0, value: 1 },
      { at: 50, value: 3 },
      { at: 60, value: NaN },
      { at: 75, value: 2 },
      // Not shown: the text ends before.
      { at: 100, value: 99 },
    ],
  };
  const svg = signalView(100, [signal], [{ name: 'mine', chunks: [chunk(0, 50), chunk(50, 100)] }]);
  expect(svg).toContain('loss &lt;nats&gt;: 1.00 to 3.00');
  // From the lowest at the bottom to the highest at the top; broken where there is no value.
  expect(svg).toContain('d="M0.0 84.0L500.0 14.0M750.0 49.0"');
  expect(svg).toMatch(/mine<\/text><path d="M0\.0 \d+v10M500\.0 \d+v10"/);
});

test('without a signal there is nothing to see', () => {
  expect(signalView(100, [], [])).toBe('');
  expect(signalView(0, [{ name: 'none', points: [] }], [])).toBe('');
  const flat = [{ name: 'flat', points: [{ at: 0, value: 2 }] }];
  expect(signalView(10, flat, [])).not.toContain('NaN');
});
