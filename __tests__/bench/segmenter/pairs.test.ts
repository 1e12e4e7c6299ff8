import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { scoresOfCosine } from '../../../bench/segmenter/judge.js';
import { loosePairsOf, pairsOf } from '../../../bench/segmenter/pairs.js';
import { trainingTexts } from '../../../bench/segmenter/texts.js';
import { halfOf } from '../../../lib/evaluate/index.js';
import { HashingEmbedder } from '../../../lib/testing/index.js';

const embedder = new HashingEmbedder({ dimensions: 64 });
const vectorOf = async (text: string) => (await embedder.embed([text], { kind: 'passage' }))[0];

const a = 'The first sentence is about cats and milk.';
const b = 'The second sentence is about cats as well.';
const c = 'Engines are another thing, and begin a paragraph.';

test('blank lines part sentences; lines, tables and numbers say nothing', async () => {
  const text = `${a} ${b}\n\n${c}\n- ${a}\n\n| a | b |\n\n1 2 3 4 5 6 7 8 9 10 11 12 13.\n\n${b}`;
  const pairs = await pairsOf([{ id: 'd', text }], embedder);
  expect(pairs.map(({ together }) => together)).toEqual([1, 0]);
  expect(pairs[0]?.first).toEqual(await vectorOf(a));
  expect(pairs[0]?.second).toEqual(await vectorOf(b));
  expect(pairs[1]?.second).toEqual(await vectorOf(c));
});

test('neighbours of unmarked texts are held against sentences of others', async () => {
  const texts = ['cats', 'engines', 'rivers'].map((topic) => ({
    id: topic,
    text: Array.from(
      { length: 8 },
      (_, i) => `Number ${i} of all ${topic} is here, with ${topic}.`,
    ).join(' '),
  }));
  const pairs = await loosePairsOf(texts, embedder, 1);
  // Of each text seven sentences, the last one being left out.
  expect(pairs.filter(({ together }) => together === 1)).toHaveLength(18);
  expect(pairs.filter(({ together }) => together === 0)).toHaveLength(9);
  expect(scoresOfCosine(pairs).ranking).toBe(1);
  expect(await loosePairsOf(texts, embedder, 1)).toEqual(pairs);
});

test('sections that answer a question of the other half are not learned from', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-test-'));
  try {
    for (const name of ['cookbook', 'musique', 'docs']) await mkdir(join(folder, name));
    const questions = Array.from({ length: 12 }, (_, i) => `Question ${i}?`);
    const save = (path: string, data: unknown) =>
      writeFile(join(folder, path), JSON.stringify(data));
    await save(
      'cookbook/docs.json',
      questions.map((question) => ({
        chunk_link: question,
        chunk_heading: 'H',
        text: `H\n\n${a}`,
      })),
    );
    await save(
      'cookbook/docs_questions.json',
      questions.map((question, i) => ({
        id: `${i}`,
        question,
        correct_chunks: [question],
        correct_answer: '',
      })),
    );
    await save('musique/musique_75.json', [
      {
        question: 'Who?',
        answers: ['x'],
        ctxs: [
          { title: '', text: b },
          { title: '', text: c },
        ],
      },
    ]);
    await writeFile(join(folder, 'docs', 'own.md'), c);
    const { paragraphs, runs } = await trainingTexts(folder, join(folder, 'docs'));
    expect(paragraphs[0]).toEqual({ id: 'own.md', text: c });
    const kept = questions.filter((question) => halfOf(question) === 'search');
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(12);
    expect(paragraphs.slice(1)).toEqual(kept.map((id) => ({ id, text: `\n${a}` })));
    expect(runs).toEqual([{ id: '0.0', text: b }]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
