import { describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCases } from '../../../bench/fidelity/data.js';
import { evaluateArm } from '../../../bench/retrieval/evaluate.js';
import { judgeOf } from '../../../bench/retrieval/judge.js';
import { measure } from '../../../bench/retrieval/measures.js';
import { differencesTable, meansTable } from '../../../bench/retrieval/tables.js';
import { halfOf, type EvaluationQuestion, type Gold } from '../../../lib/evaluate/index.js';
import { chunk, cut, fixedRetriever } from '../../lib/retrieve/support.js';

// Ten units each; tokens are words.
const [d0, d1, d2] = cut('d', ['aa bb cc. ', 'dd ee ff. ', 'gg hh ii. ']);
const [e0, e1] = cut('e', ['the Aa, bb', ' cc dd ee.']);
const all = [d0!, d1!, d2!, e0!, e1!];

function caseOf(gold: Gold, more: Partial<EvaluationQuestion> = {}): EvaluationQuestion {
  const documents = [{ id: 'd', text: '' }];
  return { id: '0', question: 'q', answers: ['x'], corpus: 'd', documents, gold, ...more };
}

describe('a judge', () => {
  test('of parts of a document counts their characters', () => {
    const spans = [
      { start: 4, end: 12 },
      { start: 10, end: 14 },
    ];
    const judge = judgeOf(caseOf({ kind: 'spans', documentId: 'd', spans }), all)!;
    expect(judge.ideal).toEqual([0.6, 0.4]);
    expect(judge.gains([e0!, d1!, d1!, d0!])).toEqual([0, 0.4, 0, 0.6]);
    expect(judge.precision([e0!, d1!, d0!])).toBeCloseTo(10 / 30, 12);
  });

  test('of documents wants something of each, once', () => {
    const judge = judgeOf(caseOf({ kind: 'documents', ids: ['d', 'e'] }), all)!;
    expect(judge.ideal).toEqual([0.5, 0.5]);
    expect(judge.gains([d1!, d0!, chunk('x', 'x', { documentId: 'f' }), e1!])).toEqual([
      0.5, 0, 0, 0.5,
    ]);
    expect(judge.precision([d0!, chunk('x', 'x', { documentId: 'f' })])).toBe(0.5);
  });

  test('of an answer wants one passage of the own documents that has its words', () => {
    const judge = judgeOf(caseOf({ kind: 'answer' }, { answers: ['zz', 'The EE ff'] }), all)!;
    expect(judge.ideal).toEqual([1]);
    expect(judge.gains([e1!, d2!, d1!, d1!])).toEqual([0, 0, 1, 0]);
    // Words, not parts of them; and not those of other documents.
    expect(judgeOf(caseOf({ kind: 'answer' }, { answers: ['e f'] }), all)).toBeUndefined();
    expect(judgeOf(caseOf({ kind: 'answer' }, { answers: ['cc dd'] }), all)).toBeUndefined();
  });

  test('is none where nothing can be found', () => {
    expect(judgeOf(caseOf({ kind: 'documents', ids: [] }), all)).toBeUndefined();
    const spans = [{ start: 0, end: 5 }];
    expect(judgeOf(caseOf({ kind: 'spans', documentId: 'x', spans }), all)).toBeUndefined();
  });
});

test('measures of one question, worked by hand', () => {
  const spans = [{ start: 5, end: 15 }];
  const judge = judgeOf(caseOf({ kind: 'spans', documentId: 'd', spans }), all)!;
  const hits = [e0!, d1!, d2!, d0!].map((one, i) => ({ chunk: one, score: -i }));
  expect(measure(hits, judge, { ranks: [1, 2, 4], budgets: [6, 12, 2] })).toEqual({
    'recall@1': 0,
    'recall@2': 0.5,
    'recall@4': 1,
    MRR: 0.5,
    // (0.5 / log2(3) + 0.5 / log2(5)) / (0.5 + 0.5 / log2(3))
    'nDCG@10': expect.closeTo(0.65092, 4),
    'recall in 6': 0.5,
    'precision in 6': 0.25,
    'recall in 12': 1,
    'precision in 12': 0.25,
    'recall in 2': 0,
    'precision in 2': 0,
  });
});

describe('an arm', () => {
  // Right on one half, wrong on the other.
  const questions = Array.from({ length: 40 }, (_, i) => `question ${i}`);
  const judged = questions.map((question) => {
    const item = caseOf({ kind: 'documents', ids: ['d'] }, { question });
    return { item, judge: judgeOf(item, all)! };
  });
  const good = [{ chunk: d0!, score: 1 }];
  const bad = [{ chunk: e0!, score: 1 }];
  const rightOn = (half: string) => ({
    ...fixedRetriever([]),
    search: async (question: string) => (halfOf(question) === half ? good : bad),
  });
  const options = { ranks: [1], budgets: [] };

  test('has the setting that is best on the search half, and is told of on the other', async () => {
    const arm = {
      name: 'arm',
      settings: [
        { name: 'held-out', retriever: rightOn('held-out') },
        { name: 'search', retriever: rightOn('search') },
      ],
    };
    const outcome = await evaluateArm(arm, judged, 'held-out', options);
    expect(outcome.setting).toBe('search');
    expect(outcome.measures.every((one) => one['recall@1'] === 0)).toBe(true);
    const whole = await evaluateArm(arm, judged, 'all', options);
    expect(whole.measures).toHaveLength(40);
    expect(outcome.measures.length).toBe(
      questions.filter((question) => halfOf(question) === 'held-out').length,
    );
  });

  test('is compared with the first, question by question', async () => {
    const settings = (retriever: ReturnType<typeof rightOn>) => [{ name: '', retriever }];
    const arms = [
      { name: 'first', settings: settings(rightOn('none')) },
      { name: 'second', settings: settings(rightOn('held-out')) },
    ];
    const outcomes = [];
    for (const arm of arms) outcomes.push(await evaluateArm(arm, judged, 'held-out', options));
    expect(meansTable(outcomes, 'markdown')).toContain('| second');
    expect(differencesTable(outcomes, ['MRR'], 'text')).toMatch(
      /second\s+1\.000 \[1\.000, 1\.000\]/,
    );
    expect(differencesTable(outcomes.slice(0, 1), ['MRR'], 'text')).toBe('');
  });
});

describe('data', () => {
  test('of all forms say what should be found', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'chunkweave-data-'));
    const write = (name: string, value: unknown) =>
      writeFile(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));
    try {
      await write('contexts.json', [
        { question: 'q', answers: ['a'], ctxs: [{ title: '', text: 'a b' }] },
      ]);
      const [context] = await readCases(join(folder, 'contexts.json'));
      expect(context?.gold).toEqual({ kind: 'answer' });
      await write('docs.json', [
        { chunk_link: 'l', chunk_heading: 'h', text: 'some' },
        { chunk_link: 'blank', chunk_heading: 'h', text: ' ' },
      ]);
      await write('docs_questions.json', [
        { id: '1', question: 'q', correct_chunks: ['blank', 'l', 'gone'], correct_answer: 'a' },
      ]);
      const [section] = await readCases(folder);
      expect(section?.gold).toEqual({ kind: 'documents', ids: ['l'] });
      await write('docs.json', [
        { chunk_link: 'page#one', chunk_heading: 'h', text: 'some' },
        { chunk_link: 'other', chunk_heading: 'h', text: 'else' },
        { chunk_link: 'page#two', chunk_heading: 'h', text: 'more' },
      ]);
      await write('docs_questions.json', [
        {
          id: '1',
          question: 'q',
          correct_chunks: ['page#two', 'page#one'],
          correct_answer: 'a',
        },
      ]);
      const [page] = await readCases(folder, { sections: 'joined' });
      expect(page?.documents).toEqual([
        { id: 'page', text: 'some\n\nmore' },
        { id: 'other', text: 'else' },
      ]);
      expect(page?.gold).toEqual({ kind: 'documents', ids: ['page'] });
      const reference = { content: 'ome', start_index: 1, end_index: 4 };
      await rm(join(folder, 'docs.json'));
      await write('text.md', 'Some text.');
      await write('questions.json', [{ question: 'q', corpus: 'text', references: [reference] }]);
      const [corpus] = await readCases(folder);
      expect(corpus?.gold).toEqual({
        kind: 'spans',
        documentId: 'text',
        spans: [{ start: 1, end: 4 }],
      });
      for (const end_index of [99, 1, 2.5, undefined]) {
        await write('questions.json', [
          { question: 'q', corpus: 'text', references: [{ ...reference, end_index }] },
        ]);
        await expect(readCases(folder)).rejects.toThrow('no part of the text');
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
