import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { type CsvRow, csvRows, type RowProblem } from '../../lib/csv-rows.js';
import { InvalidArgumentError } from '../../lib/index.js';

async function read(text: string, delimiter?: string) {
  const rows: CsvRow[] = [];
  const problems: RowProblem[] = [];
  const onProblem = (problem: RowProblem) => problems.push(problem);
  for await (const row of csvRows(text, { onProblem, ...(delimiter && { delimiter }) })) {
    rows.push(row);
  }
  return { rows, problems };
}

/** By the letter of RFC 4180: every field in quotes. */
function quoted(field: string): string {
  return `"${field.replaceAll('"', '""')}"`;
}

describe('csvRows', () => {
  test('any fields come back as they were written, with the line that their row begins on', async () => {
    const field = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc
        .array(fc.constantFrom('a', '"', ',', '\n', '\r\n', ' ', ';'), { maxLength: 6 })
        .map((list) => list.join('')),
    );
    const rowsOf = fc.integer({ min: 2, max: 4 }).chain((width) =>
      fc.record({
        width: fc.constant(width),
        rows: fc.array(fc.array(field, { minLength: width, maxLength: width }), { maxLength: 8 }),
        end: fc.constantFrom('\n', '\r\n'),
        ended: fc.boolean(),
      }),
    );
    await fc.assert(
      fc.asyncProperty(rowsOf, async ({ width, rows, end, ended }) => {
        const names = Array.from({ length: width }, (_, i) => `name${i}`);
        const lines = [names, ...rows].map((row) => row.map(quoted).join(','));
        const text = lines.join(end) + (ended ? end : '');
        const found = await read(text);
        expect(found.problems).toEqual([]);
        expect(found.rows.map(({ fields }) => names.map((name) => fields[name]))).toEqual(rows);
        // A line ends at CRLF, LF or CR, inside quotes too.
        let line = 2;
        const starts = lines.slice(1).map((row) => {
          const start = line;
          line += 1 + (row.match(/\r\n|\r|\n/g)?.length ?? 0);
          return start;
        });
        expect(found.rows.map((row) => row.line)).toEqual(starts);
      }),
      { numRuns: 150 },
    );
  });

  test.each([
    ['a;b\n1;2', ';'],
    ['a\tb\n1\t2', 'tab'],
    ['a|b\n1|2', '|'],
    ['"x,y,z";b\n1;2', ';, with commas in a quoted name'],
    ['\ufeffa,b\r\n1,2\r\n', 'a byte order mark'],
    ['a,b\n\n\n1,2', 'blank lines'],
  ])('%j: %s', async (text) => {
    const { rows, problems } = await read(text);
    expect(problems).toEqual([]);
    expect(rows.map(({ fields }) => Object.values(fields))).toEqual([['1', '2']]);
    expect(Object.keys(rows[0]!.fields)[1]).toBe('b');
  });

  test('rows that are none are told with their line, and the rest goes on', async () => {
    const { rows, problems } = await read('a,b\n1,2\n3\n4,5,6\n7,8\n9,"10\n11,12\n');
    expect(rows).toEqual([
      { fields: { a: '1', b: '2' }, line: 2 },
      { fields: { a: '7', b: '8' }, line: 5 },
    ]);
    expect(problems.toSorted((a, b) => a.line - b.line)).toEqual([
      { line: 3, detail: 'it has 1 field, the header 2' },
      { line: 4, detail: 'it has 3 fields, the header 2' },
      { line: 6, detail: expect.stringMatching(/quote is opened/) },
    ]);
  });

  test('a header with a name twice is refused; a column without one gets its number', async () => {
    await expect(read('a,b,a\n1,2,3')).rejects.toThrow(InvalidArgumentError);
    await expect(read('a,b,a\n1,2,3')).rejects.toThrow(/"a" twice/);
    const { rows } = await read('a,,c\n1,2,3');
    expect(rows[0]?.fields).toEqual({ a: '1', 'column 2': '2', c: '3' });
  });

  test('an abort ends it', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const run = async () => {
      const options = { signal: controller.signal, onProblem: () => {} };
      for await (const { line } of csvRows(`a\n${'1\n'.repeat(100_000)}`, options)) {
        seen.push(line);
        if (line === 5) controller.abort(new Error('enough'));
      }
    };
    await expect(run()).rejects.toThrow('enough');
    expect(seen).toEqual([2, 3, 4, 5]);
  });
});
