import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  type BadRow,
  importQuestions,
  type ImportQuestionsOptions,
} from '../../../../lib/evaluate/index.js';
import { InvalidArgumentError } from '../../../../lib/index.js';

const lines = (...entries: readonly unknown[]) =>
  entries.map((entry) => (typeof entry === 'string' ? entry : JSON.stringify(entry))).join('\n');

/** A cell of a table; what is no text as JSON. */
function cell(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return `"${text.replaceAll('"', '""')}"`;
}

async function lenient(text: string, options: ImportQuestionsOptions = {}) {
  const bad: BadRow[] = [];
  const questions = await importQuestions(text, { ...options, onBadRow: (row) => bad.push(row) });
  return { questions, bad };
}

describe('JSON Lines of question, answers and passages', () => {
  test('passages are texts or objects; what supports the answer is named or marked', async () => {
    const text = lines(
      { question: 'Who?', answers: ['A', 'a'], passages: ['One.', 'Two.'] },
      {
        id: 'q2',
        query: 'What?',
        answer: 7,
        documents: [
          { id: 'd1', title: 'First', text: 'One.', supporting: true },
          { id: 'd2', content: 'Two.' },
        ],
      },
      { question: 'Where?', answer: 'here', contexts: ['x', 'y'], gold: ['2.1'] },
    );
    const questions = await importQuestions(text);
    expect(questions).toEqual([
      {
        id: '0',
        question: 'Who?',
        answers: ['A', 'a'],
        corpus: '0',
        documents: [
          { id: '0.0', text: 'One.' },
          { id: '0.1', text: 'Two.' },
        ],
        gold: { kind: 'answer' },
      },
      {
        id: 'q2',
        question: 'What?',
        answers: ['7'],
        corpus: 'q2',
        documents: [
          { id: 'd1', title: 'First', text: 'One.' },
          { id: 'd2', text: 'Two.' },
        ],
        gold: { kind: 'documents', ids: ['d1'] },
      },
      expect.objectContaining({ id: '2', gold: { kind: 'documents', ids: ['2.1'] } }),
    ]);
  });

  test('a list, or lines of any ending with a byte order mark, are read alike', async () => {
    const entries = fc.array(
      fc.record({
        question: fc.string({ minLength: 1 }).filter((text) => text.trim() !== ''),
        answers: fc.array(fc.string().filter((text) => text.trim() !== '')),
        passages: fc.array(
          fc.string({ minLength: 1 }).filter((text) => text.trim() !== ''),
          { minLength: 1, maxLength: 3 },
        ),
      }),
      { minLength: 1, maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(entries, fc.constantFrom('\n', '\r\n', '\n\n'), async (list, end) => {
        const asList = await importQuestions(JSON.stringify(list));
        const asLines = list.map((entry) => JSON.stringify(entry)).join(end);
        expect(await importQuestions(`\ufeff${asLines}`)).toEqual(asList);
        // And as a table, lists in its cells.
        const rows = list.map((one) => [one.question, one.answers, one.passages].map(cell).join());
        const table = ['question,answers,passages', ...rows].join(end);
        expect(await importQuestions(table, { format: 'csv' })).toEqual(asList);
        expect(asList.map(({ question }) => question)).toEqual(
          list.map(({ question }) => question),
        );
      }),
      { numRuns: 60 },
    );
  });

  test('fields may have other names', async () => {
    const text = lines({ prompt: 'Who?', expected: 'A', chunks: ['One.'], question: 7 });
    const fields = { question: 'prompt', answers: 'expected', passages: 'chunks' };
    const [question] = await importQuestions(text, { fields });
    expect(question).toMatchObject({ question: 'Who?', answers: ['A'] });
  });
});

describe('published forms', () => {
  const hotpot = {
    _id: '5a8b57f2',
    answer: 'yes',
    question: 'Were they of the same nationality?',
    supporting_facts: [
      ['Scott Derrickson', 0],
      ['Ed Wood', 0],
    ],
    context: [
      ['Ed Wood', ['Edward Davis Wood Jr. was an American.', ' He made films.']],
      ['Other', ['Nothing here.']],
      ['Scott Derrickson', ['Scott Derrickson is an American.']],
    ],
    type: 'comparison',
    level: 'hard',
  };

  test('HotpotQA, as a list of pairs and in columns', async () => {
    const [question] = await importQuestions(JSON.stringify([hotpot]));
    expect(question).toMatchObject({
      id: '5a8b57f2',
      answers: ['yes'],
      gold: { kind: 'documents', ids: ['5a8b57f2.0', '5a8b57f2.2'] },
    });
    expect(question?.documents[0]).toEqual({
      id: '5a8b57f2.0',
      title: 'Ed Wood',
      text: 'Edward Davis Wood Jr. was an American. He made films.',
    });
    const { _id, supporting_facts: facts, context, ...rest } = hotpot;
    const columns = {
      ...rest,
      id: _id,
      supporting_facts: { title: facts.map(([title]) => title), sent_id: facts.map(([, n]) => n) },
      context: {
        title: context.map(([title]) => title),
        sentences: context.map(([, sentences]) => sentences),
      },
    };
    expect(await importQuestions(lines(columns))).toEqual([question]);
    const lost = { ...hotpot, supporting_facts: [['Nobody', 0]] };
    await expect(importQuestions(lines(lost))).rejects.toThrow(
      /supporting fact is in no paragraph/,
    );
  });

  test('MuSiQue, and what it marks as not answerable', async () => {
    const entry = {
      id: '2hop__1_2',
      paragraphs: [
        { idx: 0, title: 'T', paragraph_text: 'One.', is_supporting: false },
        { idx: 1, title: 'U', paragraph_text: 'Two.', is_supporting: true },
      ],
      question: 'Who?',
      question_decomposition: [],
      answer: 'A',
      answer_aliases: ['a', 'AA'],
      answerable: true,
    };
    const text = lines(entry, { ...entry, answerable: false }, { ...entry, paragraphs: [] });
    const { questions, bad } = await lenient(text);
    expect(questions).toEqual([
      {
        id: '2hop__1_2',
        question: 'Who?',
        answers: ['A', 'a', 'AA'],
        corpus: '2hop__1_2',
        documents: [
          { id: '2hop__1_2.0', title: 'T', text: 'One.' },
          { id: '2hop__1_2.1', title: 'U', text: 'Two.' },
        ],
        gold: { kind: 'documents', ids: ['2hop__1_2.1'] },
      },
    ]);
    expect(bad).toEqual([
      { line: 2, entry: 1, problem: 'it is marked as not answerable' },
      { line: 3, entry: 2, problem: expect.stringMatching(/no "paragraphs"/) },
    ]);
  });

  test('contexts', async () => {
    const entry = { ctxs: [{ title: '', text: 'One.' }], question: 'Who?', answers: ['A'] };
    const [question] = await importQuestions(JSON.stringify([entry]));
    expect(question).toMatchObject({
      documents: [{ id: '0.0', text: 'One.' }],
      gold: { kind: 'answer' },
    });
    expect(question?.documents[0]).not.toHaveProperty('title');
  });

  test('chroma, as JSON and as its own table', async () => {
    const corpora = [{ id: 'pets', text: 'Otters swim. Pandas eat.' }];
    const references = [
      { content: 'Otters swim.', start_index: 0, end_index: 12 },
      { content: 'Pandas', start_index: 13, end_index: 19 },
    ];
    const entry = { question: 'Who swims?', corpus: 'pets', references };
    const [question] = await importQuestions(JSON.stringify([entry]), { corpora });
    expect(question).toEqual({
      id: '0',
      question: 'Who swims?',
      answers: ['Otters swim.', 'Pandas'],
      corpus: 'pets',
      documents: corpora,
      gold: {
        kind: 'spans',
        documentId: 'pets',
        spans: [
          { start: 0, end: 12 },
          { start: 13, end: 19 },
        ],
      },
    });
    const table = `question,references,corpus_id\nWho swims?,${cell(references)},pets\n`;
    expect(await importQuestions(table, { format: 'csv', corpora })).toEqual([question]);
    const wrong = (change: object) => importQuestions(lines({ ...entry, ...change }), { corpora });
    await expect(wrong({ corpus: 'cars' })).rejects.toThrow(/"cars", which is not among corpora/);
    const moved = [{ ...references[0], start_index: 1, end_index: 13 }];
    await expect(wrong({ references: moved })).rejects.toThrow(/is not at 1 to 13/);
    const outside = [{ start_index: 5, end_index: 99 }];
    await expect(wrong({ references: outside })).rejects.toThrow(/no part of the text/);
  });
});

describe('bad rows', () => {
  const good = { question: 'Who?', answers: ['A'], passages: ['One.'] };

  test('are thrown with their line, or told and left out', async () => {
    const text = lines(
      good,
      '{"question":',
      '',
      '7',
      { ...good, question: ' ' },
      { question: 'Who?' },
      { ...good, passages: [{ title: 'no text' }] },
      { ...good, gold: ['x'] },
      { ...good, id: '0' },
      {
        ...good,
        passages: [
          { id: 'a', text: 'x' },
          { id: 'a', text: 'y' },
        ],
      },
      good,
    );
    await expect(importQuestions(text)).rejects.toThrow(/^Line 2 is no question: it is no JSON/);
    await expect(importQuestions(text)).rejects.toThrow(InvalidArgumentError);
    const { questions, bad } = await lenient(text);
    expect(questions.map(({ id }) => id)).toEqual(['0', '9']);
    expect(bad.map(({ line, problem }) => [line, problem])).toEqual([
      [2, expect.stringMatching(/no JSON/)],
      [4, 'it is no object'],
      [5, 'it has no "question" or "query" that is a text'],
      [6, 'it has no "passages" or "documents" or "contexts" that is a list with something in it'],
      [7, expect.stringMatching(/no "text"/)],
      [8, 'its gold "x" is none of its passages'],
      [9, 'its id "0" is that of an earlier one'],
      [10, 'two passages have the id "a"'],
    ]);
  });

  test('of a table have their line, of a list their number', async () => {
    const table = 'question,answer,passages\n"Who,\nthen?",A,"[""x""]"\nbroken\nWhat?,B,none\n';
    const { questions, bad } = await lenient(table, { format: 'csv' });
    expect(questions.map(({ question }) => question)).toEqual(['Who,\nthen?']);
    expect(bad.map(({ line, entry }) => [line, entry])).toEqual([
      [4, 1],
      [5, 2],
    ]);
    await expect(importQuestions(JSON.stringify([good, 7]))).rejects.toThrow(/^Entry 1 is no/);
  });

  test.each([
    ['', /no question in this data/],
    ['[]', /no question in this data/],
    ['[{"question":', /cannot be read: it is no JSON/],
  ])('%j is no data', async (text, message) => {
    await expect(importQuestions(text)).rejects.toThrow(message);
  });
});
