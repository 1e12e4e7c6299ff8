import { describe, expect, test } from '@jest/globals';
import { crossEncoderReranker } from '../../../lib/rerank/cross-encoder.js';
import type { Reranker } from '../../../lib/rerank/reranker.js';
import { rerankingRetriever } from '../../../lib/rerank/reranking-retriever.js';
import type { RetrievalNotice } from '../../../lib/retrieve/notice.js';
import { chunk, fixedRetriever, idsOf } from '../retrieve/support.js';

const candidates = ['aaa', 'b', 'cc', 'dddd'].map((text, i) => ({
  chunk: chunk(text, text, { start: i }),
  score: 9 - i,
}));

describe('a cross-encoder', () => {
  const byLength = crossEncoderReranker({
    batchSize: 3,
    score: async (pairs) => pairs.map(({ question, passage }) => question.length + passage.length),
  });

  test('orders by its scores', async () => {
    const ranked = await byLength.rerank({ question: 'why', candidates, k: 3 });
    expect(ranked.map(({ chunk, score }) => [chunk.id, score])).toEqual([
      ['dddd', 7],
      ['aaa', 6],
      ['cc', 5],
    ]);
    expect(await byLength.rerank({ question: 'why', candidates: [] })).toEqual([]);
  });

  test('what gets no number keeps its place', async () => {
    const odd = crossEncoderReranker({
      score: async (pairs) => pairs.map(({ passage }) => (passage === 'b' ? NaN : passage.length)),
    });
    expect(idsOf(await odd.rerank({ question: 'why', candidates }))).toEqual([
      'dddd',
      'b',
      'aaa',
      'cc',
    ]);
  });

  test('too few scores, a bad k, an abort', async () => {
    const short = crossEncoderReranker({ name: 'short', score: async () => [1] });
    const rerank = short.rerank({ question: 'why', candidates });
    await expect(rerank).rejects.toThrow('"short" gave 1 scores for 4 pairs');
    await expect(byLength.rerank({ question: 'why', candidates, k: 0 })).rejects.toThrow('k must');
    const signal = AbortSignal.abort(new Error('stop'));
    await expect(byLength.rerank({ question: 'why', candidates, signal })).rejects.toThrow('stop');
    expect(() => crossEncoderReranker({ score: async () => [], batchSize: 0 })).toThrow(
      'batchSize must be',
    );
  });
});

describe('a reranking retriever', () => {
  const asked: number[] = [];
  const reversed: Reranker = {
    name: 'reversed',
    rerank: async ({ candidates: given, k = given.length }) => {
      asked.push(given.length);
      return given.toReversed().slice(0, k);
    },
  };

  test('asks for more than it gives, and orders them anew', async () => {
    const retriever = rerankingRetriever({
      retriever: fixedRetriever(candidates),
      reranker: reversed,
      pool: 3,
    });
    expect(idsOf(await retriever.search('why', { k: 2 }))).toEqual(['cc', 'b']);
    expect(asked).toEqual([3]);
    expect(retriever.size).toBe(4);
  });

  test('a reranker that fails leaves the order, with a notice', async () => {
    const notices: RetrievalNotice[] = [];
    const retriever = rerankingRetriever({
      retriever: fixedRetriever(candidates),
      reranker: {
        name: 'broken',
        rerank: async () => {
          throw new Error('no weights');
        },
      },
      onNotice: (notice) => notices.push(notice),
    });
    expect(await retriever.search('why', { k: 2 })).toEqual(candidates.slice(0, 2));
    expect(notices).toMatchObject([
      { kind: 'rerank-failed', message: expect.stringContaining('"broken" failed: no weights') },
    ]);
  });

  test('an abort is no failure, nothing found is not judged, and options are checked', async () => {
    const controller = new AbortController();
    const retriever = rerankingRetriever({
      retriever: fixedRetriever(candidates),
      reranker: {
        name: 'aborting',
        rerank: async () => {
          controller.abort(new Error('stop'));
          throw new Error('stopped');
        },
      },
    });
    const { signal } = controller;
    await expect(retriever.search('why', { k: 2, signal })).rejects.toThrow('stop');
    const empty = rerankingRetriever({ retriever: fixedRetriever([]), reranker: reversed });
    asked.length = 0;
    expect(await empty.search('why', { k: 2 })).toEqual([]);
    expect(asked).toEqual([]);
    await expect(empty.search('why', { k: 0 })).rejects.toThrow('k must be');
    expect(() =>
      rerankingRetriever({ retriever: fixedRetriever([]), reranker: reversed, pool: -1 }),
    ).toThrow('pool must be');
  });
});
