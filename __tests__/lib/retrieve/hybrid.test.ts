import { describe, expect, test } from '@jest/globals';
import { RetrievalError } from '../../../lib/errors.js';
import { bm25Retriever } from '../../../lib/retrieve/bm25.js';
import { denseRetriever } from '../../../lib/retrieve/dense.js';
import { hybridRetriever } from '../../../lib/retrieve/hybrid.js';
import type { RetrievalNotice } from '../../../lib/retrieve/notice.js';
import { flatIndex } from '../../../lib/retrieve/flat-index.js';
import { HashingEmbedder } from '../../../lib/testing/fake/hashing-embedder.js';
import { chunk, failingRetriever, fixedRetriever, idsOf, scored } from './support.js';

const passages = [
  chunk('bees', 'Bees dance to tell where the flowers are.', { metadata: { year: 1 } }),
  chunk('tides', 'The moon pulls the sea, and so there are tides.', { start: 50 }),
  chunk('bread', 'Bread rises because yeast makes gas.', { start: 100, metadata: { year: 2 } }),
];

function both() {
  const lexical = bm25Retriever();
  const dense = denseRetriever({
    embedder: new HashingEmbedder(),
    index: flatIndex({ embedder: new HashingEmbedder() }),
  });
  return { lexical, dense };
}

test('what either side finds is there, what both find is first', async () => {
  const hybrid = hybridRetriever({ retrievers: both() });
  await hybrid.add(passages);
  expect(hybrid.size).toBe(3);
  expect([...hybrid.chunks!()]).toEqual(passages);
  const hits = await hybrid.search('Why does bread rise?', { k: 3 });
  expect(hits).toHaveLength(3);
  expect(hits[0]?.chunk.id).toBe('bread');
  // First of both lists.
  expect(hits[0]?.score).toBeCloseTo(2 / 61, 10);
  await hybrid.remove(['bread']);
  expect(idsOf(await hybrid.search('Why does bread rise?', { k: 1 }))).not.toContain('bread');
});

test('filters reach all sides', async () => {
  const hybrid = hybridRetriever({ retrievers: both() });
  await hybrid.add(passages);
  const filter = { op: 'range', field: 'year', atMost: 1 } as const;
  expect(idsOf(await hybrid.search('bread and bees', { k: 3, filter }))).toEqual(['bees']);
});

describe('a side that fails', () => {
  const good = fixedRetriever(scored([passages[0]!, 2], [passages[1]!, 1]));

  test('is left out of a search, with a notice', async () => {
    const notices: RetrievalNotice[] = [];
    const hybrid = hybridRetriever({
      retrievers: { lexical: good, dense: failingRetriever(new Error('no route')) },
      onNotice: (notice) => notices.push(notice),
    });
    expect(idsOf(await hybrid.search('bees', { k: 2 }))).toEqual(['bees', 'tides']);
    expect(notices).toEqual([
      {
        kind: 'side-failed',
        message: 'Searched without the retriever "dense": no route',
        cause: new Error('no route'),
      },
    ]);
  });

  test('with all of them, the search fails and says why', async () => {
    const hybrid = hybridRetriever({
      retrievers: {
        one: failingRetriever(new Error('no route')),
        two: failingRetriever(new Error('too slow')),
      },
    });
    const search = hybrid.search('bees', { k: 2 });
    await expect(search).rejects.toThrow(RetrievalError);
    await expect(search).rejects.toThrow('one: no route; two: too slow');
  });

  test('an abort is no failure of a side', async () => {
    const notices: unknown[] = [];
    const controller = new AbortController();
    const slow = {
      ...good,
      search: async () => {
        controller.abort(new Error('stop'));
        throw new Error('stopped');
      },
    };
    const hybrid = hybridRetriever({
      retrievers: { good, slow },
      onNotice: (notice) => notices.push(notice),
    });
    await expect(hybrid.search('x', { k: 1, signal: controller.signal })).rejects.toThrow('stop');
    expect(notices).toEqual([]);
  });

  test('adding and removing reject, after the others are through', async () => {
    const lexical = bm25Retriever();
    const hybrid = hybridRetriever({
      retrievers: { dense: failingRetriever(new Error('no route')), lexical },
    });
    await expect(hybrid.add(passages)).rejects.toThrow('no route');
    expect(lexical.size).toBe(3);
    await expect(hybrid.remove(['bees'])).rejects.toThrow('no route');
    expect(lexical.size).toBe(2);
  });
});

describe('what cannot be is refused', () => {
  const retrievers = { a: fixedRetriever([]), b: fixedRetriever([]) };
  test.each([
    [{ retrievers: {} }, 'at least one'],
    [{ retrievers, weights: { c: 1 } }, 'weight for "c"'],
    [{ retrievers, weights: { a: -1 } }, 'a -1, b 1'],
    [{ retrievers, weights: { a: 0, b: 0 } }, 'one of them more'],
    [{ retrievers, weights: { a: NaN } }, 'Weights must be'],
    [{ retrievers, pool: 0 }, 'pool must be'],
    [{ retrievers, fusion: { kind: 'reciprocal-rank', k: -1 } as const }, 'fusion.k'],
    [
      { retrievers, fusion: { kind: 'weighted', normalise: 'softmax' as 'min-max' } as const },
      'fusion is',
    ],
  ])('%#: %s', (options, problem) => {
    expect(() => hybridRetriever(options)).toThrow(problem);
  });

  test('k and filter, before anybody is asked', async () => {
    const hybrid = hybridRetriever({ retrievers: { a: failingRetriever(new Error('asked')) } });
    await expect(hybrid.search('x', { k: 0 })).rejects.toThrow('k must be');
    const filter = { field: 'a', op: 'near', value: 1 } as never;
    await expect(hybrid.search('x', { k: 1, filter })).rejects.toThrow('the op "near"');
  });
});
