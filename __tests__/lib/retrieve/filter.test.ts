import { expect, test } from '@jest/globals';
import { fieldsOf } from '../../../lib/retrieve/filter.js';
import { chunk } from './support.js';

test('a filter sees the metadata and the document, which metadata may name otherwise', () => {
  expect(fieldsOf(chunk('x', 'text', { metadata: { line: 3 } }))).toEqual({
    documentId: 'd',
    line: 3,
  });
  expect(fieldsOf(chunk('x', 'text', { metadata: { documentId: 'other' } }))).toEqual({
    documentId: 'other',
  });
});
