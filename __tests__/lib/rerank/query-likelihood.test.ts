import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { queryLikelihoodReranker } from '../../../lib/index.js';
import { reorderKnown } from '../../../lib/rerank/reorder-known.js';
import { hits, probeOf } from '../select/stand-ins.js';

const question = 'why?';
const losses = { '': [2, 4], a: [3, 4], b: [1, 1], c: [2, 2], d: [0, 9] };
const ids = (list: readonly { readonly chunk: { readonly id: string } }[]) =>
  list.map(({ chunk }) => chunk.id);

test('candidates are ordered by how likely the question is behind each', async () => {
  const reranker = queryLikelihoodReranker({ probe: probeOf(losses) });
  const ranked = await reranker.rerank({ question, candidates: hits('a', 'b', 'c', 'd') });
  expect(ids(ranked)).toEqual(['b', 'c', 'a', 'd']);
  expect(ranked.map(({ score }) => score)).toEqual([-1, -2, -3.5, -4.5]);
  const two = await reranker.rerank({ question, candidates: hits('a', 'b', 'c', 'd'), k: 2 });
  expect(ids(two)).toEqual(['b', 'c']);
  expect(await reranker.rerank({ question, candidates: [] })).toEqual([]);
});

test('the contextual form orders alike, gains may not', async () => {
  const candidates = hits('a', 'b', 'c', 'd');
  const by = async (calibration: 'contextual' | 'gains') => {
    const reranker = queryLikelihoodReranker({ probe: probeOf(losses), calibration });
    return reranker.rerank({ question, candidates });
  };
  const contextual = await by('contextual');
  expect(ids(contextual)).toEqual(['b', 'c', 'a', 'd']);
  expect(contextual[0]!.score).toBe(2);
  expect(ids(await by('gains'))).toEqual(['b', 'c', 'd', 'a']);
});

test('candidates without keys and values keep their place, and that is said', async () => {
  const notes: string[] = [];
  const probe = probeOf(losses, {}, ['b']);
  const reranker = queryLikelihoodReranker({ probe, onNote: (note) => notes.push(note) });
  const ranked = await reranker.rerank({ question, candidates: hits('d', 'b', 'a', 'c') });
  expect(ids(ranked)).toEqual(['c', 'b', 'a', 'd']);
  expect(ranked.map(({ score }) => score)).toEqual([1, 1 / 2, 1 / 3, 1 / 4]);
  expect(notes).toEqual([expect.stringMatching(/^1 of 4 candidates/)]);
});

test('a prior of 1 leaves the retriever’s order, and bad options are refused', async () => {
  const candidates = hits('a', 'b', 'c', 'd');
  const reranker = queryLikelihoodReranker({ probe: probeOf(losses), prior: 1 });
  expect(ids(await reranker.rerank({ question, candidates }))).toEqual(['a', 'b', 'c', 'd']);
  expect(() => queryLikelihoodReranker({ probe: probeOf(losses), prior: 2 })).toThrow(/prior/);
  for (const k of [0, -1, 1.5, Number.NaN]) {
    await expect(reranker.rerank({ question, candidates, k })).rejects.toThrow(/k is/);
  }
});

test('reordering is a permutation that moves known candidates among their places only', () => {
  fc.assert(
    fc.property(
      fc.array(fc.option(fc.integer({ min: -3, max: 3 }), { nil: undefined }), { maxLength: 8 }),
      (scores) => {
        const candidates = hits(...scores.map((_, i) => `${i}`));
        const ordered = reorderKnown(candidates, scores);
        expect(ids(ordered).toSorted()).toEqual(ids(candidates).toSorted());
        const placed = ordered.map(({ chunk }) => scores[Number(chunk.id)]);
        for (const [i, score] of scores.entries()) {
          if (score === undefined) expect(ordered[i]!.chunk.id).toBe(`${i}`);
        }
        const known = placed.filter((score) => score !== undefined);
        expect(known).toEqual(known.toSorted((a, b) => b - a));
        for (let i = 1; i < ordered.length; i++) {
          expect(ordered[i]!.score).toBeLessThanOrEqual(ordered[i - 1]!.score);
        }
      },
    ),
  );
});
