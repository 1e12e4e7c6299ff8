import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  assertFilter,
  fieldsOf,
  matchesFilter,
  type MetadataFilter,
} from '../../../lib/retrieve/filter.js';
import { chunk } from './support.js';

const metadata = { year: 2024, kind: 'report', draft: false, tags: ['a', 'b'], none: null };

test.each<[MetadataFilter, boolean]>([
  [{ field: 'year', op: 'eq', value: 2024 }, true],
  [{ field: 'year', op: 'eq', value: '2024' }, false],
  [{ field: 'draft', op: 'eq', value: false }, true],
  [{ field: 'tags', op: 'eq', value: 'b' }, true],
  [{ field: 'tags', op: 'in', value: ['x', 'a'] }, true],
  [{ field: 'kind', op: 'in', value: [] }, false],
  [{ field: 'year', op: 'gt', value: 2024 }, false],
  [{ field: 'year', op: 'gte', value: 2024 }, true],
  [{ field: 'year', op: 'lt', value: 2025 }, true],
  [{ field: 'year', op: 'lte', value: 2023 }, false],
  [{ field: 'year', op: 'lt', value: '3000' }, false],
  [{ field: 'kind', op: 'gt', value: 'paper' }, true],
  [{ field: 'kind', op: 'exists', value: true }, true],
  [{ field: 'none', op: 'exists', value: true }, false],
  [{ field: 'missing', op: 'exists', value: false }, true],
  [{ field: 'missing', op: 'lt', value: 5 }, false],
  [{ not: { field: 'missing', op: 'eq', value: 5 } }, true],
  [{ field: 'constructor', op: 'exists', value: true }, false],
  [{ and: [] }, true],
  [{ or: [] }, false],
])('%j: %s', (filter, expected) => {
  assertFilter(filter);
  expect(matchesFilter(filter, metadata)).toBe(expected);
});

const not = (filter: MetadataFilter): MetadataFilter => ({ not: filter });
const met = (filter: MetadataFilter): boolean => matchesFilter(filter, metadata);

test('and, or and not are those of logic', () => {
  const leaf = fc.constantFrom<MetadataFilter>(
    { field: 'year', op: 'eq', value: 2024 },
    { field: 'year', op: 'gt', value: 3000 },
    { field: 'missing', op: 'exists', value: true },
  );
  fc.assert(
    fc.property(fc.array(leaf, { maxLength: 5 }), (all) => {
      expect(met({ and: all })).toBe(all.every(met));
      expect(met(not({ and: all }))).toBe(met({ or: all.map(not) }));
    }),
  );
});

describe('what is no filter is refused', () => {
  let deep: unknown = { field: 'a', op: 'eq', value: 1 };
  for (let i = 0; i < 1000; i++) deep = { not: deep };
  test.each([
    [undefined, 'is no object'],
    ['year = 2024', 'is no object'],
    [{}, 'names no field'],
    [{ field: '', op: 'eq', value: 1 }, 'names no field'],
    [{ field: 'a', op: 'like', value: 'x' }, 'is no operator'],
    [{ field: 'a', op: 'eq', value: NaN }, 'not NaN'],
    [{ field: 'a', op: 'eq', value: null }, '"eq" takes'],
    [{ field: 'a', op: 'in', value: 'x' }, 'takes a list'],
    [{ field: 'a', op: 'gt', value: true }, '"gt" takes'],
    [{ field: 'a', op: 'exists', value: 1 }, '"exists" takes'],
    [{ and: {} }, 'take a list'],
    [{ and: [], or: [] }, 'stand alone'],
    [{ or: [{ and: [7] }] }, '7 is no object'],
    [deep, 'nests deeper'],
  ])('%#: %s', (filter, problem) => {
    expect(() => assertFilter(filter)).toThrow(problem);
  });
});

test('a filter sees the metadata and the document, which metadata may name otherwise', () => {
  expect(fieldsOf(chunk('x', 'text', { metadata: { line: 3 } }))).toEqual({
    documentId: 'd',
    line: 3,
  });
  expect(fieldsOf(chunk('x', 'text', { metadata: { documentId: 'other' } }))).toEqual({
    documentId: 'other',
  });
});
