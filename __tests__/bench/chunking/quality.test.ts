import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { bordersOf, chanceOf, unmark } from '../../../bench/chunking/boundaries.js';
import { Cl100kTokenizer } from '../../../bench/chunking/cl100k.js';
import { confirm } from '../../../bench/chunking/confirm.js';
import { readCorpus, readQuestions } from '../../../bench/chunking/data.js';
import { fittingTogether, omegaOf, scoresOf } from '../../../bench/chunking/quality.js';
import { halfOf } from '../../../lib/evaluate/index.js';
import {
  bm25Retriever,
  type Chunk,
  type Chunker,
  chunkDocument,
  fixedChunker,
  recursiveChunker,
} from '../../../lib/index.js';

const chunk = (documentId: string, tokenStart: number, tokens: number): Chunk => ({
  id: `${documentId}${tokenStart}`,
  documentId,
  start: tokenStart,
  end: tokenStart + tokens,
  text: 'x'.repeat(tokens),
  tokens: new Int32Array(tokens),
  tokenStart,
});

test('what overlaps counts once, and the first that does not fit ends it', () => {
  const ranked = [chunk('a', 0, 10), chunk('a', 5, 10), chunk('b', 0, 10), chunk('a', 14, 2)];
  expect(fittingTogether(ranked, 25)).toHaveLength(3);
  expect(fittingTogether(ranked, 24)).toHaveLength(2);
  expect(fittingTogether(ranked, 26)).toHaveLength(4);
  expect(fittingTogether(ranked, 9)).toHaveLength(0);
});

test('what is best on the search half is held against the other', () => {
  const questions = Array.from({ length: 200 }, (_, i) => ({
    question: `Question number ${i}?`,
    by: 'spans' as const,
    references: [],
  }));
  const isSearch = questions.map(({ question }) => halfOf(question) === 'search');
  const arm = (name: string, recallOf: (i: number) => number) => {
    const recall = Float64Array.from(questions, (_, i) => recallOf(i));
    const scores = {
      recall: { 750: recall, 1500: recall },
      ofFew: { recall, precision: recall, iou: recall },
      ofFewByTokens: { recall, precision: recall, iou: recall },
    };
    return { name, retriever: 'bm25', size: 200, scores };
  };
  const arms = [
    arm('recursive', () => 0.5),
    arm('lucky', (i) => (isSearch[i] ? 1 : 0.25)),
    arm('steady', () => 0.75),
  ];
  const [found] = confirm(arms, 'recursive', questions);
  expect(found?.chosen).toBe('lucky');
  expect(found?.search.map(({ value }) => value)).toEqual([0.5, 0.5]);
  expect(found?.heldOut.map(({ value, high }) => [value, high])).toEqual([
    [-0.25, -0.25],
    [-0.25, -0.25],
  ]);
});

test('sections are read, and any part of a right one counts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-test-'));
  try {
    const sections = [
      { chunk_link: 'cats', chunk_heading: 'Cats', text: 'Cats drink milk. They sleep.' },
      { chunk_link: 'dogs', chunk_heading: 'Dogs', text: 'Dogs eat meat. They bark.' },
      { chunk_link: 'none', chunk_heading: 'None', text: ' ' },
    ];
    await writeFile(join(folder, 'docs.json'), JSON.stringify(sections));
    const path = join(folder, 'docs_questions.json');
    const wanted = [
      { id: '1', question: 'Who drinks milk?', correct_chunks: ['cats', 'dogs', 'none'] },
    ];
    await writeFile(path, JSON.stringify(wanted));
    const documents = await readCorpus(folder);
    const questions = await readQuestions(path, documents);
    expect(questions[0]?.references).toEqual([
      { documentId: 'cats', start: 0, end: 28 },
      { documentId: 'dogs', start: 0, end: 25 },
    ]);
    const tokenizer = new Cl100kTokenizer();
    const chunks: Chunk[] = [];
    for (const document of documents) {
      const tokens = await tokenizer.encode(document.text);
      chunks.push(
        ...(await chunkDocument(
          { ...document, tokens },
          { chunker: recursiveChunker({ maxTokens: 5 }) },
        )),
      );
    }
    const scores = await scoresOf(chunks, questions, bm25Retriever(), () => 1);
    expect([...scores.recall[750]]).toEqual([0.5]);
    await writeFile(path, JSON.stringify([{ question: 'Who?', correct_chunks: ['none'] }]));
    await expect(readQuestions(path, documents)).rejects.toThrow('names no document with text');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('scores of the first chunks are by characters, and by tokens', async () => {
  // Tokens begin at 0, 2, 12 and 22; the reference holds the last two.
  const text = 'a bbbbbbbbb ccccccccc ddd';
  const starts = [0, 2, 12, 22];
  const document = {
    id: 'd',
    text,
    tokens: { ids: new Int32Array(4), starts: Int32Array.of(...starts, text.length) },
  };
  const whole = await chunkDocument(document, { chunker: fixedChunker({ maxTokens: 4 }) });
  const references = [{ documentId: 'd', start: 12, end: 25 }];
  const tokens = ({ start, end }: { start: number; end: number }) =>
    starts.filter((at) => at >= start && at < end).length;
  const questions = [{ question: 'bbbbbbbbb?', by: 'spans' as const, references }];
  const scores = await scoresOf(whole, questions, bm25Retriever(), tokens);
  expect([...scores.ofFew.precision]).toEqual([13 / 25]);
  expect([...scores.ofFewByTokens.precision]).toEqual([2 / 4]);
  expect([...scores.ofFewByTokens.iou]).toEqual([2 / 4]);
  expect([...scores.ofFewByTokens.recall]).toEqual([1]);
  expect(omegaOf(whole, questions)).toBe(13 / 25);
  expect(omegaOf(whole, questions, tokens)).toBe(2 / 4);
});

/** Knows paragraphs by the number of their first sentence. */
const knowing = (maxTokens: number): Chunker => ({
  name: `knowing(${maxTokens})`,
  chunk: async ({ id, text, tokens }) => {
    const begins = [...text.matchAll(/ ?Sentence 0/g)].map(({ index }) =>
      tokens.starts.indexOf(index),
    );
    return begins.map((begin, i) => {
      const end = begins[i + 1] ?? tokens.ids.length;
      const [from, to] = [tokens.starts[begin] as number, tokens.starts[end] as number];
      return {
        id: `${id}${i}`,
        documentId: id,
        start: from,
        end: to,
        text: text.slice(from, to),
        tokens: tokens.ids.slice(begin, end),
        tokenStart: begin,
      };
    });
  },
});

test('who knows the paragraphs finds them all, fixed sizes few, and chance fewer than all', async () => {
  const paragraphs = Array.from({ length: 30 }, (_, i) =>
    Array.from({ length: 1 + ((i * 7) % 5) }, (_, j) => `Sentence ${j} is of paragraph ${i}.`).join(
      ' ',
    ),
  );
  const unmarked = await unmark({ id: 'd', text: paragraphs.join('\n\n') }, new Cl100kTokenizer());
  if (!unmarked) throw new Error('there are paragraphs');
  expect(unmarked.document.text).not.toContain('\n');
  expect(unmarked.reference.borders).toHaveLength(29);
  expect(await bordersOf(knowing, unmarked)).toEqual({ f1: 1, pk: 0, windowDiff: 0 });
  const chance = chanceOf(unmarked);
  expect(chance.f1).toBeGreaterThan(0.1);
  expect(chance.f1).toBeLessThan(0.7);
  expect(chanceOf(unmarked)).toEqual(chance);
  const fixed = await bordersOf((maxTokens) => fixedChunker({ maxTokens }), unmarked);
  expect(fixed.f1).toBeLessThan(0.8);
  expect(
    await unmark({ id: 'd', text: 'One. Two. Three.' }, new Cl100kTokenizer()),
  ).toBeUndefined();
});
