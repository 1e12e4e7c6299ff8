import { describe, expect, test } from '@jest/globals';
import { checkGrammar } from '../../../adapters/ggml/gbnf.js';
import { memoryEnrichmentCache } from '../../../lib/enrich/cache.js';
import { enrichChunks } from '../../../lib/enrich/enrich-chunks.js';
import {
  enrichedFields,
  enrichedTexts,
  askedFields,
  enrichmentOf,
  withEnrichment,
} from '../../../lib/enrich/enrichment.js';
import { readAnswer } from '../../../lib/enrich/read-answer.js';
import { grammarOf } from '../../../lib/enrich/request.js';
import type { GenerateRequest, LanguageModel } from '../../../lib/language-model.js';
import { bm25Retriever } from '../../../lib/retrieve/bm25.js';
import { denseRetriever } from '../../../lib/retrieve/dense.js';
import { HashingEmbedder } from '../../../lib/testing/fake/hashing-embedder.js';
import { chunk, idsOf, vectorIndex } from '../retrieve/support.js';

const text = 'Ada Lovelace wrote the first program, for an engine that was never built.';
const good = {
  title: 'The first program',
  summary: 'Ada Lovelace wrote a program before there were computers.',
  keywords: ['history of computing', 'Analytical Engine'],
  entities: ['Ada Lovelace'],
  questions: ['Who wrote the first program?'],
};

const read = (answer: unknown) =>
  readAnswer(typeof answer === 'string' ? answer : JSON.stringify(answer), text, askedFields);

describe('an answer', () => {
  test('that is good is taken whole, also with words around it', () => {
    expect(read(good)).toEqual(good);
    expect(read(`Sure! ${JSON.stringify(good)} Anything else?`)).toEqual(good);
  });

  test.each<[string, unknown, unknown]>([
    ['is no JSON', 'I cannot help with that.', {}],
    ['is cut short', '{"title": "The first pro', {}],
    ['is a list', '[1, 2]', {}],
    [
      'has other forms',
      { title: ['a program'], keywords: 'engine', questions: 7 },
      { keywords: ['engine'] },
    ],
    ['is about something else', { title: 'Baking bread', summary: 'How bread rises.' }, {}],
    ['is about nothing', { title: 'the and of', keywords: ['', ' ', '?!'] }, {}],
    [
      'names who is not there',
      { entities: ['Alan Turing', 'ada lovelace'] },
      { entities: ['ada lovelace'] },
    ],
    ['asks nothing', { questions: ['Ada wrote a program.', 'What is bread?'] }, {}],
    ['repeats itself', { summary: 'program program program program program program' }, {}],
    [
      'stutters',
      { keywords: ['engine_engine_engine', 'a first first engine engine built'] },
      { keywords: ['a first first engine engine built'] },
    ],
    [
      'says things twice',
      { keywords: ['Engine', 'engine', 'built'] },
      { keywords: ['engine', 'built'] },
    ],
    ['goes on and on', { title: `The program ${'x'.repeat(500)}` }, {}],
    [
      'has too many',
      { keywords: Array.from({ length: 40 }, (_, i) => `word${i}`) },
      { keywords: Array.from({ length: 10 }, (_, i) => `word${i}`) },
    ],
  ])('that %s', (_, answer, expected) => {
    expect(read(answer)).toEqual(expected);
  });
});

test.each([[[...askedFields]], [['title' as const]], [['questions' as const, 'title' as const]]])(
  'the grammar of %j is one that engines take',
  (fields) => {
    expect(() => checkGrammar(grammarOf(fields))).not.toThrow();
  },
);

/** Gives these answers in turn; an error is thrown. */
function answering(...answers: readonly (string | Error)[]) {
  const requests: GenerateRequest[] = [];
  const model: LanguageModel = {
    name: 'teller',
    generate: async (request) => {
      const answer = answers[Math.min(requests.length, answers.length - 1)] ?? '';
      requests.push(request);
      if (answer instanceof Error) throw answer;
      const usage = { promptTokens: 90, generatedTokens: 30 };
      return { text: answer, finishReason: 'stop', usage };
    },
  };
  return { model, requests };
}

const passage = chunk('ada', text, { metadata: { line: 3 } });

describe('enriching', () => {
  test('leaves the chunk and adds to its metadata', async () => {
    const { model, requests } = answering(JSON.stringify(good));
    const { chunks, report } = await enrichChunks([passage], { model });
    expect(chunks).toEqual([{ ...passage, metadata: { line: 3, enrichment: good } }]);
    expect(report).toEqual({
      chunks: 1,
      fromCache: 0,
      calls: 1,
      promptTokens: 90,
      generatedTokens: 30,
      missing: { title: 0, summary: 0, keywords: 0, entities: 0, questions: 0 },
      failed: [],
    });
    expect(requests[0]?.prompt).toContain(text);
  });

  test('asks only for what is wanted', async () => {
    const { model, requests } = answering(JSON.stringify(good));
    const { chunks } = await enrichChunks([passage], { model, fields: ['questions', 'title'] });
    expect(enrichmentOf(chunks[0]!)).toEqual({ title: good.title, questions: good.questions });
    expect(requests[0]?.prompt).not.toContain('summary');
  });

  test('nonsense is asked again, otherwise, and leads to no field', async () => {
    const { model, requests } = answering('no', '{"title": "The program"}');
    const { chunks, report } = await enrichChunks([passage], {
      model,
      fields: ['title', 'summary'],
    });
    expect(enrichmentOf(chunks[0]!)).toEqual({ title: 'The program' });
    expect(requests.map(({ seed }) => seed)).toEqual([undefined, 1]);
    expect(report).toMatchObject({ calls: 2, missing: { title: 0, summary: 1 } });
  });

  test('the cache answers for equal texts, and for nothing else', async () => {
    const cache = memoryEnrichmentCache();
    const { model, requests } = answering(JSON.stringify(good));
    const first = await enrichChunks([passage], { model, cache });
    const again = await enrichChunks([{ ...passage, id: 'copy' }], { model, cache });
    expect(requests).toHaveLength(1);
    expect(again.report).toMatchObject({ fromCache: 1, calls: 0 });
    expect(enrichmentOf(again.chunks[0]!)).toEqual(enrichmentOf(first.chunks[0]!));
    await enrichChunks([passage], { model: { ...model, name: 'other' }, cache });
    await enrichChunks([passage], { model, modelFingerprint: 'v2', cache });
    await enrichChunks([passage], { model, fields: ['title'], cache });
    await enrichChunks([chunk('x', `${text} More.`)], { model, cache });
    expect(requests).toHaveLength(5);
  });

  test('a model that fails is reported, and asked again the next time', async () => {
    const cache = memoryEnrichmentCache();
    const down = new Error('no route');
    const { model, requests } = answering(down, down, JSON.stringify(good));
    const { chunks, report } = await enrichChunks([passage], { model, cache });
    expect(enrichmentOf(chunks[0]!)).toEqual({});
    expect(report.failed).toEqual([{ chunkId: 'ada', cause: down }]);
    expect(report.missing).toMatchObject({ title: 1, questions: 1 });
    await enrichChunks([passage], { model, cache });
    expect(requests).toHaveLength(3);
  });

  test('an abort ends it', async () => {
    const controller = new AbortController();
    const { model, requests } = answering(JSON.stringify(good));
    const { signal } = controller;
    const enriching = enrichChunks([passage, { ...passage, id: 'b' }], {
      model,
      concurrency: 1,
      signal,
      onProgress: ({ done, total }) => {
        expect([done, total]).toEqual([1, 2]);
        controller.abort(new Error('stop'));
      },
    });
    await expect(enriching).rejects.toThrow('stop');
    expect(requests).toHaveLength(1);
  });

  test.each([{ fields: [] }, { fields: ['mood' as 'title'] }, { concurrency: 0 }, { attempts: 0 }])(
    '%j is refused',
    async (options) => {
      const { model } = answering('');
      await expect(enrichChunks([], { model, ...options })).rejects.toThrow('must be');
    },
  );
});

describe('searching', () => {
  const passages = [
    withEnrichment(passage, good),
    withEnrichment(chunk('plain', 'Bread rises.', { start: 100 }), {}),
    chunk('bare', 'Tides follow the moon.', { start: 200 }),
  ];

  test('by words finds what is only beside the text', async () => {
    const retriever = bm25Retriever({ fields: enrichedFields({ keywords: 0.5, questions: 1 }) });
    await retriever.add(passages);
    expect(idsOf(await retriever.search('computing history', { k: 3 }))).toEqual(['ada']);
    // Not among the fields.
    expect(idsOf(await retriever.search('computers', { k: 3 }))).toEqual([]);
    expect(() => enrichedFields({ mood: 1 } as never)).toThrow('have no "mood"');
  });

  test('by vectors too', async () => {
    const index = vectorIndex();
    const dense = denseRetriever({
      embedder: new HashingEmbedder(),
      index: vectorIndex(),
      fields: [
        { name: 'questions', index, textsOf: (one) => enrichedTexts(one, 'questions') },
        {
          name: 'title',
          index: vectorIndex(),
          textsOf: (one) => enrichedTexts(one, 'title'),
        },
      ],
    });
    await dense.add(passages);
    expect(await index.size()).toBe(1);
    const [best] = await dense.search('Who wrote the first program?', { k: 1 });
    expect(best).toEqual({ chunk: passages[0], score: expect.closeTo(1, 6) });
  });
});
