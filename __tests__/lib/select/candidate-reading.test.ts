import { expect, test } from '@jest/globals';
import { attentionReranker, readCandidates } from '../../../lib/index.js';
import { hits, probeOf } from './stand-ins.js';

const question = 'why?';
const masses = { a: [0, 0.1, 0], b: [0.5, 0, 0.4, 0.1], c: [0.2, 0.2] };
const candidates = hits('a', 'b', 'c');

test('one pass ranks, names the tokens, their share, and how much is looked at', async () => {
  const reading = await readCandidates({
    probe: probeOf({}, masses),
    question,
    candidates,
    passages: 2,
    coverage: 0.6,
    most: 1,
  });
  expect(reading.ranking.map(({ chunk }) => chunk.id)).toEqual(['b', 'c', 'a']);
  expect(reading.ranking[0]!.score).toBeCloseTo(1);
  // Of 1.4 in all, 0.5 and 0.4 are more than 60%.
  expect(reading.refresh.map(({ chunkId, tokens }) => [chunkId, [...tokens]])).toEqual([
    ['b', [0, 2]],
    ['c', []],
  ]);
  expect(reading.ratio).toBeCloseTo(2 / 6);
  expect(reading.evidence).toBeCloseTo(1.4);
  expect(reading.missing).toBe(0);
});

test('the share stays within its bounds', async () => {
  const common = { probe: probeOf({}, masses), question, candidates, passages: 2 };
  expect((await readCandidates({ ...common, most: 1 / 6 })).ratio).toBeCloseTo(1 / 6);
  expect((await readCandidates({ ...common, least: 0.9, most: 1 })).ratio).toBeCloseTo(5 / 6);
});

test('what is missing keeps its place and gives no tokens', async () => {
  const { b, c } = masses;
  const notes: string[] = [];
  const probe = probeOf({}, { b, c });
  const reading = await readCandidates({ probe, question, candidates });
  expect(reading.ranking.map(({ chunk }) => chunk.id)).toEqual(['a', 'b', 'c']);
  expect(reading.refresh.map(({ chunkId }) => chunkId)).toEqual(['b', 'c']);
  expect(reading.missing).toBe(1);
  const reranker = attentionReranker({ probe, onNote: (note) => notes.push(note) });
  const ranked = await reranker.rerank({ question, candidates, k: 2 });
  expect(ranked.map(({ chunk }) => chunk.id)).toEqual(['a', 'b']);
  expect(notes).toHaveLength(1);
});

test('refuses what cannot be', async () => {
  const common = { probe: probeOf({}, masses), question, candidates };
  for (const bad of [
    { passages: 0 },
    { coverage: 0 },
    { coverage: Number.NaN },
    { least: 0.5, most: 0.4 },
    { most: 1.5 },
  ]) {
    await expect(readCandidates({ ...common, ...bad })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  }
});
