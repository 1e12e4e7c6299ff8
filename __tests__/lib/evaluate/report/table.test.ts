import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { InvalidArgumentError } from '../../../../lib/index.js';
import { formatNumber, formatTable } from '../../../../lib/evaluate/index.js';

const interval = { value: 0.1234, low: 0.1, high: 0.15 };

test('numbers stand at the right, texts at the left, what is missing is a dash', () => {
  const table = formatTable({
    columns: ['policy', { name: 'KL' }, { name: 'share', percent: true, digits: 1 }],
    rows: [
      ['hybrid', interval, 0.0512],
      ['none', 2, undefined],
    ],
  });
  expect(table.split('\n')).toEqual([
    'policy                    KL  share',
    '------  --------------------  -----',
    'hybrid  0.123 [0.100, 0.150]    5.1',
    'none                   2.000      -',
    '',
  ]);
});

test('Markdown says how columns are aligned and takes no text for its own', () => {
  const table = formatTable({
    columns: ['a|b', { name: 'n', digits: 0 }],
    rows: [['x\\|*y*\nz', 12]],
    format: 'markdown',
  });
  expect(table.split('\n')).toEqual([
    String.raw`| a\|b         |   n |`,
    '| ------------ | --: |',
    String.raw`| x\\\|\*y\* z |  12 |`,
    '',
  ]);
});

test('numbers that are none are shown as missing, zero has no sign', () => {
  expect(formatNumber(NaN)).toBe('-');
  expect(formatNumber({ value: NaN, low: 0, high: 1 })).toBe('-');
  expect(formatNumber({ value: 1, low: NaN, high: NaN })).toBe('1.000');
  expect(formatNumber(-0.0001)).toBe('0.000');
  expect(formatNumber(-0.5, { digits: 1, percent: true })).toBe('-50.0');
});

test('a row of another length is refused', () => {
  expect(() => formatTable({ columns: ['a', 'b'], rows: [['x']] })).toThrow(InvalidArgumentError);
});

test('whatever the cells hold, lines are as long as each other and as many as the rows', () => {
  const cell = fc.oneof(fc.string({ unit: 'binary' }), fc.double(), fc.constant(undefined));
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 6 }), (rows) => {
      const table = formatTable({ columns: ['first', 'second'], rows, format: 'markdown' });
      const lines = table.slice(0, -1).split('\n');
      expect(lines).toHaveLength(rows.length + 2);
      expect(new Set(lines.map((line) => [...line].length)).size).toBe(1);
      // Borders are the only bars that are not escaped.
      const bars = lines.map((line) => line.replaceAll(/\\./gu, '').split('|').length);
      expect(new Set(bars)).toEqual(new Set([4]));
    }),
  );
});
