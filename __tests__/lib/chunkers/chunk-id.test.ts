import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { ChunkIds, contentHash, documentPart } from '../../../lib/chunkers/chunk-id.js';

describe('contentHash', () => {
  test('never changes: ids are kept in indexes and citations', () => {
    expect(contentHash('')).toBe('8d83488bdcb8');
    expect(contentHash('The same words again.')).toBe('62dee59bbc5e');
    expect(contentHash('知识\ud800\u0000')).toBe('19cced6fe344');
  });

  test('tells texts apart that differ little', () => {
    const hashes = new Set(Array.from({ length: 100_000 }, (_, i) => contentHash(`passage ${i}`)));
    expect(hashes.size).toBe(100_000);
  });
});

describe('chunk ids', () => {
  test('stay readable where a URL allows it', () => {
    expect(documentPart('guides/Überblick v1.2.md')).toBe('guides/Überblick%20v1.2.md');
    expect(documentPart('a#b?c%20"<\n>')).toBe('a%23b%3Fc%2520%22%3C%0A%3E');
    expect(documentPart('lone \ud800')).toBe('lone%20\ufffd');
  });

  test('differ between documents that differ', () => {
    const id = fc.string({ unit: 'grapheme' });
    fc.assert(fc.property(id, id, (a, b) => (documentPart(a) === documentPart(b)) === (a === b)));
  });

  test('count equal passages', () => {
    const ids = new ChunkIds('d');
    const [first, other, second, third] = ['x', 'y', 'x', 'x'].map((text) => ids.next(text));
    expect([second, third]).toEqual([`${first}.2`, `${first}.3`]);
    expect(other).not.toBe(first);
  });
});
