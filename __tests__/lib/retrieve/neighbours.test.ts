import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { chunkDocument, tokenizeDocument } from '../../../lib/chunk-document.js';
import { recursiveChunker } from '../../../lib/chunkers/recursive.js';
import { bm25Retriever } from '../../../lib/retrieve/bm25.js';
import { neighbourRetriever } from '../../../lib/retrieve/neighbours.js';
import { FakeTokenizer } from '../../../lib/testing/fake/fake-tokenizer.js';
import { chunk, cut, fixedRetriever, idsOf } from './support.js';

const pieces = cut('d', ['zero one ', 'two three ', 'four five ', 'six seven ', 'eight nine ']);
const others = cut('e', ['ten eleven ', 'twelve thirteen ']);

/** Finds these pieces, first best; knows all. */
function finding(...numbers: readonly number[]) {
  const hits = numbers.map((i, rank) => ({ chunk: pieces[i]!, score: 10 - rank }));
  return { ...fixedRetriever(hits), chunks: () => [...pieces, ...others] };
}

describe('pulled in', () => {
  test('neighbours follow the hit that brought them, nearest first, with its score', async () => {
    const retriever = neighbourRetriever(finding(2, 4));
    const found = await retriever.search('x', { k: 9 });
    expect(found.map(({ chunk, score }) => [chunk.id, score])).toEqual([
      ['d#2', 10],
      ['d#1', 10],
      ['d#3', 10],
      ['d#4', 9],
    ]);
    const wide = neighbourRetriever(finding(1), { radius: 2 });
    expect(idsOf(await wide.search('x', { k: 9 }))).toEqual(['d#1', 'd#0', 'd#2', 'd#3']);
  });

  test('no more than k in all, and no more tokens than allowed a hit', async () => {
    expect(idsOf(await neighbourRetriever(finding(2, 4)).search('x', { k: 2 }))).toEqual([
      'd#2',
      'd#1',
    ]);
    const tight = neighbourRetriever(finding(2), { maxTokens: 4 });
    expect(idsOf(await tight.search('x', { k: 9 }))).toEqual(['d#2', 'd#1']);
  });

  test('neighbours meet the filter, and nothing beyond one that does not', async () => {
    const filter = {
      op: 'not',
      filter: { op: 'equals', field: 'label', value: 'secret' },
    } as const;
    const labelled = pieces.map((one, i) => ({
      ...one,
      metadata: { label: i === 1 ? 'secret' : 'open' },
    }));
    const inner = bm25Retriever();
    const retriever = neighbourRetriever(inner, { radius: 2 });
    await retriever.add(labelled);
    expect(idsOf(await retriever.search('four', { k: 9, filter }))).toEqual(['d#2', 'd#3', 'd#4']);
  });

  test('chunks that come and go through it are known', async () => {
    const retriever = neighbourRetriever(bm25Retriever());
    await retriever.add(pieces);
    expect(idsOf(await retriever.search('four', { k: 9 }))).toEqual(['d#2', 'd#1', 'd#3']);
    await retriever.remove(['d#1', 'nobody']);
    expect(idsOf(await retriever.search('four', { k: 9 }))).toEqual(['d#2', 'd#0', 'd#3']);
    await retriever.add([chunk('d#3', 'moved away', { documentId: 'f' })]);
    expect(idsOf(await retriever.search('four', { k: 9 }))).toEqual(['d#2', 'd#0', 'd#4']);
    expect(retriever.size).toBe(4);
  });
});

describe('joined', () => {
  test('hits and neighbours that follow each other become one exact span', async () => {
    const retriever = neighbourRetriever(finding(3, 0), { how: 'join' });
    const [first, second, ...rest] = await retriever.search('x', { k: 9 });
    expect(rest).toEqual([]);
    expect(first).toMatchObject({
      score: 10,
      // Grown as far as the neighbours of both hits reach: all of it is one run.
      chunk: { documentId: 'd', start: 0, end: pieces[4]!.end, tokenStart: 0 },
    });
    expect(second).toBeUndefined();
    expect(first?.chunk.text).toBe(pieces.map(({ text }) => text).join(''));
    expect(Array.from(first!.chunk.tokens)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(first?.chunk.id).toMatch(/^d#[0-9a-f]{12}@0$/);
  });

  test('radius 0 joins hits only; one by itself stays what it is', async () => {
    const retriever = neighbourRetriever(finding(3, 0, 4), { how: 'join', radius: 0 });
    const found = await retriever.search('x', { k: 9 });
    expect(found.map(({ chunk }) => chunk.text)).toEqual(['six seven eight nine ', 'zero one ']);
    expect(found[1]?.chunk).toBe(pieces[0]);
  });

  test('no longer than allowed: the rest is a run of its own', async () => {
    const retriever = neighbourRetriever(finding(1, 3, 0), {
      how: 'join',
      radius: 0,
      maxTokens: 4,
    });
    const found = await retriever.search('x', { k: 9 });
    expect(found.map(({ chunk }) => chunk.text)).toEqual(['zero one two three ', 'six seven ']);
  });

  test('overlapping chunks say nothing twice', async () => {
    const text = 'a b c d e ';
    const part = (id: string, from: number, to: number) =>
      chunk(id, text.slice(2 * from, 2 * to), {
        start: 2 * from,
        end: 2 * to,
        tokenStart: from,
        tokens: Int32Array.from({ length: to - from }, (_, i) => from + i),
      });
    const parts = [part('x', 0, 3), part('y', 2, 4), part('z', 3, 5)];
    const inner = fixedRetriever(parts.map((one) => ({ chunk: one, score: 1 })));
    const [joined] = await neighbourRetriever(inner, { how: 'join' }).search('q', { k: 3 });
    expect(joined?.chunk).toMatchObject({ text, start: 0, end: 10 });
    expect(Array.from(joined!.chunk.tokens)).toEqual([0, 1, 2, 3, 4]);
  });

  test('with the document, what stands between chunks is in the joined one; without, they stay apart', async () => {
    const tokenizer = new FakeTokenizer();
    const word = fc.constantFrom('tide', 'moon', 'sea\n\n', 'anchor. ', '  reef', '\n\n\nIt ');
    await fc.assert(
      fc.asyncProperty(
        fc.array(word, { minLength: 5, maxLength: 60 }),
        fc.integer({ min: 0, max: 3 }),
        async (words, radius) => {
          const document = await tokenizeDocument({ id: 'd', text: words.join(' ') }, tokenizer);
          const chunks = await chunkDocument(document, {
            chunker: recursiveChunker({ maxTokens: 8, minTokens: 0 }),
          });
          const hits = chunks
            .filter((_, i) => i % 3 === 1)
            .map((one, i) => ({ chunk: one, score: -i }));
          const inner = { ...fixedRetriever(hits), chunks: () => chunks };
          for (const documentOf of [() => document, undefined]) {
            const retriever = neighbourRetriever(inner, {
              how: 'join',
              radius,
              maxTokens: 40,
              ...(documentOf && { documentOf }),
            });
            const found = await retriever.search('q', { k: 99 });
            for (const { chunk } of found) {
              expect(chunk.text).toBe(document.text.slice(chunk.start, chunk.end));
              expect(chunk.tokens).toEqual(
                document.tokens.ids.slice(chunk.tokenStart, chunk.tokenStart + chunk.tokens.length),
              );
              expect(document.tokens.starts[chunk.tokenStart + chunk.tokens.length]).toBe(
                chunk.end,
              );
              expect(chunk.tokens.length).toBeLessThanOrEqual(40);
            }
            // Every hit is in one of them, and in no two.
            for (const { chunk: hit } of hits) {
              const holders = found.filter(
                ({ chunk }) => chunk.start <= hit.start && hit.end <= chunk.end,
              );
              expect(holders).toHaveLength(1);
            }
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

test('what cannot be is refused', async () => {
  const inner = finding(1);
  expect(() => neighbourRetriever(inner, { how: 'glue' as 'join' })).toThrow('how is "glue"');
  expect(() => neighbourRetriever(inner, { radius: -1 })).toThrow('radius must be');
  expect(() => neighbourRetriever(inner, { maxTokens: 0 })).toThrow('maxTokens must be');
  await expect(neighbourRetriever(inner).search('x', { k: 0 })).rejects.toThrow('k must be');
});
