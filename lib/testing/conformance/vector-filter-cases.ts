import type { VectorEntry } from '../../retrieve/vector-index.js';
import type { VectorMetadata } from '../../retrieve/vector-metadata.js';
import type { MetadataFilter } from '../../retrieve/filter.js';
import { equal, fails } from './assert.js';
import {
  bruteForce,
  everything,
  idsOf,
  sampleEntries,
  sampleVectors,
  type VectorCase,
} from './vector-lab.js';

const quotes = `it's "quoted"; DROP TABLE x; -- $1 \\`;

const notes: Readonly<Record<string, VectorMetadata>> = {
  none: {},
  one: { number: 1, text: 'b', tags: ['x', 'y'], flag: true },
  two: { number: 2, text: '\u{1f9f6}', tags: [1, null], flag: false },
  nothing: { number: null, text: null, tags: null, flag: null },
  words: { number: '1', text: quotes, tags: 'x', flag: 'true' },
  half: { number: 0.5, text: '\uffee', tags: [], flag: 0 },
  deep: { number: [1], text: { a: 1 }, tags: [['x']], flag: [true] },
  odd: { [quotes]: 7, __proto__x: 1, '': 'empty', number: -1e300 },
};

/** Filters, and the entries that match each of them. */
const filters: readonly (readonly [MetadataFilter, string])[] = [
  [{ op: 'equals', field: 'number', value: 1 }, 'one'],
  [{ op: 'equals', field: 'number', value: '1' }, 'words'],
  [{ op: 'equals', field: 'number', value: null }, 'nothing'],
  [{ op: 'equals', field: 'flag', value: true }, 'one'],
  [{ op: 'equals', field: 'flag', value: 0 }, 'half'],
  [{ op: 'equals', field: 'text', value: quotes }, 'words'],
  [{ op: 'equals', field: quotes, value: 7 }, 'odd'],
  [{ op: 'equals', field: '', value: 'empty' }, 'odd'],
  [{ op: 'equals', field: 'toString', value: 'x' }, ''],
  [{ op: 'equals', field: 'missing', value: null }, ''],
  [{ op: 'in', field: 'number', values: [1, 2, '1', 'x'] }, 'one,two,words'],
  [{ op: 'in', field: 'number', values: [null, 0.5] }, 'half,nothing'],
  [{ op: 'in', field: 'number', values: [] }, ''],
  [{ op: 'in', field: 'missing', values: [1, null] }, ''],
  [{ op: 'contains', field: 'tags', value: 'x' }, 'one'],
  [{ op: 'contains', field: 'tags', value: 1 }, 'two'],
  [{ op: 'contains', field: 'tags', value: null }, 'two'],
  [{ op: 'contains', field: 'missing', value: 1 }, ''],
  [{ op: 'range', field: 'number', atLeast: 0.5, below: 2 }, 'half,one'],
  [{ op: 'range', field: 'number', above: 0.5, atMost: 2 }, 'one,two'],
  [{ op: 'range', field: 'number', below: 0 }, 'odd'],
  [{ op: 'range', field: 'number', atLeast: '0' }, 'words'],
  [{ op: 'range', field: 'text', atLeast: 'b' }, 'half,one,two,words'],
  [{ op: 'range', field: 'text', above: '\uffee' }, 'two'],
  [{ op: 'range', field: 'text', below: '\u{1f9f6}' }, 'half,one,words'],
  [{ op: 'range', field: 'missing', above: 0 }, ''],
  [{ op: 'exists', field: 'number' }, 'deep,half,nothing,odd,one,two,words'],
  [{ op: 'exists', field: 'missing' }, ''],
  [{ op: 'not', filter: { op: 'exists', field: 'number' } }, 'none'],
  [
    { op: 'not', filter: { op: 'equals', field: 'number', value: 1 } },
    'deep,half,none,nothing,odd,two,words',
  ],
  [
    { op: 'not', filter: { op: 'range', field: 'number', above: 0 } },
    'deep,none,nothing,odd,words',
  ],
  [{ op: 'and', filters: [] }, 'deep,half,none,nothing,odd,one,two,words'],
  [{ op: 'or', filters: [] }, ''],
  [
    {
      op: 'and',
      filters: [
        {
          op: 'or',
          filters: [
            { op: 'equals', field: 'number', value: 2 },
            { op: 'contains', field: 'tags', value: 'y' },
          ],
        },
        { op: 'not', filter: { op: 'equals', field: 'flag', value: false } },
      ],
    },
    'one',
  ],
];

const noFilters: unknown[] = [
  null,
  7,
  'number = 1',
  {},
  [],
  { op: 'sql', field: 'number', value: '1 OR 1=1' },
  { op: 'equals', field: 'number' },
  { op: 'equals', field: 7, value: 1 },
  { op: 'equals', field: 'nul\0', value: 1 },
  { op: 'equals', field: 'number', value: Number.NaN },
  { op: 'equals', field: 'number', value: {} },
  { op: 'equals', field: 'number', value: 'half \ud83e' },
  { op: 'in', field: 'number', values: 1 },
  { op: 'in', field: 'number', values: [1, undefined] },
  { op: 'in', field: 'number', values: Array.from({ length: 20_000 }, (_, i) => i) },
  { op: 'range', field: 'number' },
  { op: 'range', field: 'number', above: 1, below: '2' },
  { op: 'range', field: 'number', above: true },
  { op: 'and', filters: {} },
  { op: 'or' },
  { op: 'not' },
  { op: 'not', filter: { op: 'and', filters: [null] } },
  nested(40),
];

function nested(depth: number): MetadataFilter {
  const inner: MetadataFilter = { op: 'exists', field: 'number' };
  return depth === 0 ? inner : { op: 'not', filter: nested(depth - 1) };
}

export const vectorFilterCases: Readonly<Record<string, VectorCase>> = {
  'filters match what they say, and missing fields nothing': async ({ create }) => {
    const index = await create();
    const vectors = sampleVectors(10, 8);
    const entries: VectorEntry[] = Object.entries(notes).map(([id, metadata], i) => ({
      id,
      vector: vectors[i] as Float32Array,
      metadata,
    }));
    await index.add(entries);
    const query = vectors.at(-1) as Float32Array;
    for (const [filter, expected] of filters) {
      const found = await index.query(query, { k: 100, filter });
      equal(
        found
          .map(({ id }) => id)
          .sort()
          .join(),
        expected,
        JSON.stringify(filter),
      );
      const ids = new Set(expected.split(','));
      const among = entries.filter(({ id }) => ids.has(id));
      const best = bruteForce(among, query, 1, 'cosine');
      equal(
        idsOf(await index.query(query, { k: 1, filter })),
        idsOf(best),
        'the best that matches',
      );
    }
  },
  'what is no filter is refused': async ({ create }) => {
    const index = await create();
    await index.add(sampleEntries(3));
    const [query] = sampleVectors(1, 8) as [Float32Array];
    for (const filter of noFilters as MetadataFilter[]) {
      const what = JSON.stringify(filter)?.slice(0, 80) ?? 'undefined';
      await fails(() => index.query(query, { k: 1, filter }), 'INVALID_ARGUMENT', what);
    }
    equal((await everything(index)).length, 3, 'what is there');
  },
  'a filter that few match still finds all of them': async ({ create }) => {
    const index = await create();
    const entries = sampleEntries(1200);
    await index.add(entries);
    const [query] = sampleVectors(1, 8, 50) as [Float32Array];
    for (const [filter, matches] of [
      [{ op: 'equals', field: 'group', value: 'g3' }, (n: VectorMetadata) => n['group'] === 'g3'],
      [{ op: 'range', field: 'number', atLeast: 700, below: 703 }, inside(700, 703)],
      [{ op: 'range', field: 'number', atLeast: 5, below: 1195 }, inside(5, 1195)],
      [{ op: 'equals', field: 'number', value: 1111 }, inside(1111, 1112)],
    ] as const) {
      const among = entries.filter(({ metadata = {} }) => matches(metadata));
      const expected = bruteForce(among, query, 10, 'cosine');
      const found = await index.query(query, { k: 10, filter });
      equal(found.length, expected.length, `matches of ${JSON.stringify(filter)}`);
      for (const { metadata } of found) equal(matches(metadata), true, 'a match');
      if (among.length < 10) equal(idsOf(found), idsOf(expected), 'all of the few');
    }
  },
};

const inside =
  (from: number, to: number) =>
  ({ number }: VectorMetadata): boolean =>
    Number(number) >= from && Number(number) < to;
