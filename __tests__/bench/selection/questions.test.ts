import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readJudged } from '../../../bench/selection/engine/questions.js';
import type { Chunk } from '../../../lib/index.js';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'chunkweave-questions-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const chunk = (documentId: string, start: number, text: string): Chunk => ({
  id: `${documentId} ${start}`,
  documentId,
  start,
  end: start + text.length,
  text,
  tokens: new Int32Array(1),
  tokenStart: 0,
});
const write = (name: string, data: unknown) =>
  writeFileSync(join(root, name), typeof data === 'string' ? data : JSON.stringify(data));

test('spans of a corpus are evidence where a chunk overlaps them', async () => {
  write('town.md', 'The key is red. The door is blue.');
  write('questions.json', [
    {
      question: 'Which colour has the door?',
      corpus: 'town',
      references: [{ content: 'The door is blue.', start_index: 16, end_index: 33 }],
    },
  ]);
  const [item] = await readJudged(root);
  const holds = item!.evidence[0]!;
  expect(holds(chunk('town', 0, 'The key is red. '))).toBe(false);
  expect(holds(chunk('town', 10, 'red. The'))).toBe(true);
  rmSync(join(root, 'questions.json'));
});

test('sections are evidence by their link; questions without any are left out', async () => {
  write('docs.json', [{ chunk_link: 'a', chunk_heading: 'A', text: 'alpha' }]);
  write('docs_questions.json', [
    { id: '1', question: 'alpha?', correct_chunks: ['a', 'gone'], correct_answer: 'alpha' },
    { id: '2', question: 'beta?', correct_chunks: ['gone'], correct_answer: 'beta' },
  ]);
  const cases = await readJudged(root);
  expect(cases.map(({ id }) => id)).toEqual(['1']);
  expect(cases[0]!.evidence).toHaveLength(1);
  expect(cases[0]!.evidence[0]!(chunk('a', 0, 'x'))).toBe(true);
  expect(cases[0]!.evidence[0]!(chunk('b', 0, 'x'))).toBe(false);
});

test('where nothing is marked a chunk that holds the answer is evidence', async () => {
  const ctxs = [{ title: '', text: 'He went to Exeter college.' }];
  write('cases.json', [
    { ctxs, question: 'Where?', answers: ['Exeter College'] },
    { ctxs, question: 'Who?', answers: ['Nobody Known'] },
  ]);
  const cases = await readJudged(join(root, 'cases.json'));
  expect(cases.map(({ question }) => question)).toEqual(['Where?']);
  expect(cases[0]!.evidence[0]!(chunk('0.0', 0, 'at EXETER COLLEGE'))).toBe(true);
  expect(cases[0]!.evidence[0]!(chunk('0.0', 0, 'elsewhere'))).toBe(false);
});
