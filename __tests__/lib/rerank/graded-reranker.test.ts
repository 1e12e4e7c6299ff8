import { describe, expect, test } from '@jest/globals';
import { InvalidArgumentError, RetrievalError } from '../../../lib/errors.js';
import type {
  GenerateRequest,
  GenerateResult,
  LanguageModel,
} from '../../../lib/language-model.js';
import { gradeOf } from '../../../lib/rerank/grade.js';
import { type GradeReport, gradedReranker } from '../../../lib/rerank/graded-reranker.js';
import { chunk, idsOf } from '../retrieve/support.js';

const log = Math.log;

describe('the grade of an answer', () => {
  test.each([
    ['7', 7],
    ['10', 10],
    [' 0\n', 0],
    ['7/10', 7],
    ['Grade: 8.', 8],
    ['17', undefined],
    ['-3', undefined],
    ['7.5', undefined],
    ['great', undefined],
    ['', undefined],
  ])('%j is %s', (text, grade) => {
    expect(gradeOf({ text })).toBe(grade);
  });

  test('the expected one over the first token, where that tells enough', () => {
    const firstToken = [
      { text: '8', logprob: log(0.5) },
      { text: ' 6', logprob: log(0.3) },
      { text: 'The', logprob: log(0.1) },
    ];
    expect(gradeOf({ text: '8', firstToken })).toBeCloseTo((8 * 0.5 + 6 * 0.3) / 0.8, 12);
    const vague = [
      { text: '8', logprob: log(0.2) },
      { text: 'The', logprob: log(0.7) },
    ];
    expect(gradeOf({ text: 'The 3', firstToken: vague })).toBe(3);
    // A grammar let nothing else through, whatever the model would have liked to say.
    const bound = [...vague, { text: '6', logprob: log(0.1) }];
    expect(gradeOf({ text: '8', firstToken: bound })).toBeCloseTo(2.2 / 0.3, 12);
  });

  test('a 1 may be the beginning of 10', () => {
    const one = { text: '1', logprob: log(0.6) };
    const nine = { text: '9', logprob: log(0.3) };
    expect(gradeOf({ text: '10', firstToken: [one, nine] })).toBeCloseTo(8.7 / 0.9, 12);
    expect(gradeOf({ text: '1', firstToken: [one, nine] })).toBeCloseTo(3.3 / 0.9, 12);
    // Nobody knows which: what is left is too little to be heard, so the text is.
    expect(gradeOf({ text: '9', firstToken: [nine, one] })).toBe(9);
    const ten = { text: '10', logprob: log(0.1) };
    expect(gradeOf({ text: '9', firstToken: [one, nine, ten] })).toBeCloseTo(4.3, 12);
  });
});

const candidates = ['a', 'b', 'c', 'd'].map((id, i) => ({
  chunk: chunk(id, `passage ${id}`, { start: i }),
  score: 9 - i,
}));

/** Answers by the passage's letter; an error is thrown. */
function answering(answers: Readonly<Record<string, string | Error | (string | Error)[]>>) {
  const requests: GenerateRequest[] = [];
  const seen: Record<string, number> = {};
  let atOnce = 0;
  const model: LanguageModel & { most: number } = {
    name: 'judge',
    most: 0,
    async generate(request): Promise<GenerateResult> {
      requests.push(request);
      model.most = Math.max(model.most, ++atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce--;
      const letter = /passage (\w)\b/.exec(request.prompt)?.[1] ?? '';
      const given = answers[letter] ?? '0';
      const turn = (seen[letter] = (seen[letter] ?? -1) + 1);
      const answer = Array.isArray(given) ? (given[turn] ?? given.at(-1)!) : given;
      if (answer instanceof Error) throw answer;
      const usage = { promptTokens: 20, generatedTokens: 1 };
      return { text: answer, finishReason: 'stop', usage };
    },
  };
  return { model, requests };
}

test('orders by grade, equal ones as they came, and asks within bounds', async () => {
  const { model, requests } = answering({ a: '3', b: '9', c: '3', d: '10' });
  const reports: GradeReport[] = [];
  const reranker = gradedReranker({
    model,
    concurrency: 2,
    onReport: (report) => reports.push(report),
  });
  const ranked = await reranker.rerank({ question: 'why?', candidates, k: 3 });
  expect(ranked.map(({ chunk, score }) => [chunk.id, score])).toEqual([
    ['d', 1],
    ['b', 0.9],
    ['a', 0.3],
  ]);
  expect(reports).toEqual([
    {
      candidates: 4,
      graded: 4,
      nonsense: 0,
      failed: 0,
      calls: 4,
      promptTokens: 80,
      generatedTokens: 4,
    },
  ]);
  expect(model.most).toBe(2);
  expect(requests[0]).toMatchObject({
    grammar: expect.stringContaining('"9" | "10"'),
    topLogprobs: 20,
  });
  expect(requests[0]?.prompt).toContain('why?');
});

test('a passage without a grade keeps its place, and is counted', async () => {
  const { model } = answering({ a: 'well', b: '2', c: new Error('busy'), d: '8' });
  const reports: GradeReport[] = [];
  const reranker = gradedReranker({ model, onReport: (report) => reports.push(report) });
  const ranked = await reranker.rerank({ question: 'why?', candidates });
  expect(idsOf(ranked)).toEqual(['a', 'd', 'c', 'b']);
  expect(reports[0]).toMatchObject({ graded: 2, nonsense: 1, failed: 1, calls: 6 });
});

test('calls that fail or answer nonsense are made again, otherwise', async () => {
  const { model, requests } = answering({
    a: [new Error('busy'), '1'],
    b: ['hm', '9'],
    c: '0',
    d: '0',
  });
  const ranked = await gradedReranker({ model, concurrency: 1 }).rerank({
    question: 'why?',
    candidates,
  });
  expect(idsOf(ranked)).toEqual(['b', 'a', 'c', 'd']);
  expect(requests.map(({ seed }) => seed)).toEqual([
    undefined,
    1,
    undefined,
    1,
    undefined,
    undefined,
  ]);
});

test('when nobody can be judged, it says so', async () => {
  const down = new Error('no route');
  const { model } = answering({ a: down, b: down, c: down, d: down });
  const rerank = gradedReranker({ model }).rerank({ question: 'why?', candidates });
  await expect(rerank).rejects.toThrow(RetrievalError);
  await expect(rerank).rejects.toThrow('judge could not judge any passage: no route');
});

test('a request that cannot be is not repeated', async () => {
  const { model, requests } = answering({ a: new InvalidArgumentError('too long') });
  const rerank = gradedReranker({ model, concurrency: 1 }).rerank({ question: 'why?', candidates });
  await expect(rerank).rejects.toThrow('too long');
  expect(requests).toHaveLength(1);
});

test('an abort ends it', async () => {
  const controller = new AbortController();
  const { model, requests } = answering({});
  const { generate } = model;
  model.generate = async (request) => {
    controller.abort(new Error('stop'));
    return generate(request);
  };
  const { signal } = controller;
  const rerank = gradedReranker({ model, concurrency: 1 }).rerank({
    question: 'why?',
    candidates,
    signal,
  });
  await expect(rerank).rejects.toThrow('stop');
  expect(requests).toHaveLength(1);
});

test('no candidates, no calls', async () => {
  const { model, requests } = answering({});
  expect(await gradedReranker({ model }).rerank({ question: 'why?', candidates: [] })).toEqual([]);
  expect(requests).toEqual([]);
});

test.each([{ concurrency: 0 }, { attempts: 0 }, { maxUnits: 0.5 }])('%j is refused', (options) => {
  const { model } = answering({});
  expect(() => gradedReranker({ model, ...options })).toThrow(InvalidArgumentError);
});
