import { describe, expect, test } from '@jest/globals';
import { checkGrammar } from '../../../adapters/ggml/gbnf.js';
import {
  completionOf,
  completionRequest,
  factsOf,
  reviewRequest,
  summaryOf,
  summaryRequest,
} from '../../../lib/enrich/side-fields/prompts.js';
import {
  type Chunk,
  chunkDocument,
  enrichChunks,
  enrichedTexts,
  enrichmentOf,
  type GenerateRequest,
  InvalidArgumentError,
  type LanguageModel,
  memoryEnrichmentCache,
  meteredModel,
  SamplingError,
  sentenceChunker,
  type SideFieldsOptions,
  type SideFieldsReport,
  withSideFields,
} from '../../../lib/index.js';
import { chunkerConformance } from '../../../lib/testing/index.js';
import { wordTokenizer } from '../../support/tokenizers.js';

const tokenizer = wordTokenizer();
const usage = { promptTokens: 10, generatedTokens: 3 };

type Kind = 'review' | 'completion' | 'document' | 'summary';

/** Answers by the kind of the question and the passage. */
function modelOf(
  answers: Partial<Record<Kind, (passage: string, request: GenerateRequest) => string>>,
) {
  const asked: { kind: Kind; passage: string; request: GenerateRequest }[] = [];
  const model: LanguageModel = {
    name: 'scripted',
    generate: async (request) => {
      const { prompt } = request;
      const kind: Kind = prompt.startsWith('Below are')
        ? 'review'
        : prompt.startsWith('Somebody')
          ? 'completion'
          : prompt.startsWith('Summarise')
            ? 'document'
            : 'summary';
      const [, passage = ''] = /\n(?:Passage|Document):\n([^]*)$/.exec(prompt) ?? [];
      asked.push({ kind, passage, request });
      return { text: answers[kind]?.(passage, request) ?? '', finishReason: 'stop', usage };
    },
  };
  return { model, asked, kinds: () => asked.map(({ kind }) => kind) };
}

const text =
  'Ada Lovelace was a mathematician in London. She wrote the first program. It was for an engine that Babbage planned.';
const facts =
  '- She is Ada Lovelace, a mathematician.\n- Dragons fly over green mountains.\nShe wrote the first program.';
const good = {
  review: (passage: string) => (passage.includes('Babbage') ? 'NONE' : facts),
  completion: () => 'She is the mathematician\nAda Lovelace.',
  document: () => 'About Ada Lovelace and the first program.',
  summary: (passage: string) => `It tells of ${passage.split(' ').slice(0, 5).join(' ')}.`,
};

async function fill(model: LanguageModel, options: Partial<SideFieldsOptions> = {}) {
  const reports: SideFieldsReport[] = [];
  const chunker = withSideFields(sentenceChunker({ maxTokens: 12 }), {
    model,
    concurrency: 1,
    onReport: (report) => reports.push(report),
    ...options,
  });
  const chunks = await chunkDocument({ id: 'd', text }, { tokenizer, chunker });
  return { chunks, chunker, report: reports[0]! };
}

const plain = (chunks: readonly Chunk[]) =>
  chunks.map((chunk) => ({ ...chunk, metadata: undefined }));

test('completes and summarises passages beside their text', async () => {
  const { model, kinds, asked } = modelOf(good);
  const { chunks, report, chunker } = await fill(model);
  expect(chunker.name).toBe('sentence(12) with completion and summary of scripted');
  const bare = await chunkDocument(
    { id: 'd', text },
    { tokenizer, chunker: sentenceChunker({ maxTokens: 12 }) },
  );
  expect(bare).toHaveLength(3);
  expect(plain(chunks)).toEqual(plain(bare));
  expect(chunks.map(enrichmentOf)).toEqual([
    { summary: 'It tells of Ada Lovelace was a mathematician.' },
    {
      completion: 'She is the mathematician Ada Lovelace.',
      summary: 'It tells of She wrote the first program..',
    },
    { summary: 'It tells of It was for an engine.' },
  ]);
  expect(chunks[1]!.metadata).toMatchObject({ line: 1 });
  expect(enrichedTexts(chunks[1]!, 'completion')).toHaveLength(1);
  // Nothing stands before the first, and the last lacks nothing.
  expect(kinds()).toEqual([
    'document',
    'summary',
    'review',
    'completion',
    'summary',
    'review',
    'summary',
  ]);
  expect(report).toEqual({
    documentId: 'd',
    chunks: 3,
    fromCache: 0,
    calls: 7,
    promptTokens: 70,
    generatedTokens: 21,
    made: { completion: 1, summary: 3 },
    complete: 2,
    missing: { completion: 0, summary: 0 },
    failed: [],
  });
  // The invented fact, and the one that the passage says itself, are not passed on.
  const { prompt } = asked.find(({ kind }) => kind === 'completion')!.request;
  expect(prompt).toContain('Facts:\n- She is Ada Lovelace, a mathematician.\n\nPassage:');
  // The passage is seen in view of the document.
  expect(asked.at(-1)!.request.prompt).toContain('The document: About Ada Lovelace and the first');
});

test('shows what is before a passage, or what is around it', async () => {
  const { model, asked } = modelOf(good);
  await fill(model, { fields: ['completion'] });
  const shown = () =>
    asked
      .filter(({ kind }) => kind === 'review')
      .map(({ request }) => /Text:\n([^]*)\n\nPassage/.exec(request.prompt)![1]);
  expect(shown()).toEqual([text.split(' She')[0], text.split(' It')[0]]);
  asked.length = 0;
  await fill(model, { fields: ['completion'], context: 'both' });
  expect(shown()).toEqual([text, text, text]);
  asked.length = 0;
  await fill(model, { fields: ['completion'], contextUnits: 10 });
  expect(shown()).toEqual(['in London.', 'in London.', 't program.']);
});

test('answers of no use lead to no field, are asked for again, and counted', async () => {
  const { model, asked } = modelOf({
    review: () => 'I cannot do that.',
    document: () => '',
    summary: (passage) =>
      passage.startsWith('She') ? 'Bread rises in the oven.' : good.summary(passage),
  });
  const { chunks, report } = await fill(model);
  expect(chunks.map(enrichmentOf).map((found) => Object.keys(found))).toEqual([
    ['summary'],
    [],
    ['summary'],
  ]);
  expect(report.missing).toEqual({ completion: 2, summary: 1 });
  expect(report.complete).toBe(1);
  const seeds = asked.filter(({ kind }) => kind === 'review').map(({ request }) => request.seed);
  expect(seeds).toEqual([undefined, 1, undefined, 1]);
});

test('answers are kept, also those of no use; failures are not', async () => {
  const cache = memoryEnrichmentCache();
  const { model } = modelOf({ ...good, document: () => '' });
  const first = await fill(model, { cache });
  const metered = meteredModel(model);
  const again = await fill(metered, { cache });
  expect(again.chunks).toEqual(first.chunks);
  expect(metered.usage).toEqual({ calls: 0, failed: 0, promptTokens: 0, generatedTokens: 0 });
  expect(again.report.fromCache).toBe(7);
  expect(again.report.calls).toBe(0);
  // Another model, another key.
  await fill(metered, { cache, modelFingerprint: 'other' });
  expect(metered.usage).toEqual({ calls: 8, failed: 0, promptTokens: 80, generatedTokens: 24 });

  const broken: LanguageModel = {
    name: 'scripted',
    generate: () => Promise.reject(new Error('busy')),
  };
  const failing = await fill(broken, { cache: memoryEnrichmentCache(), attempts: 1 });
  expect(plain(failing.chunks)).toEqual(plain(first.chunks));
  expect(failing.report.failed.map(({ field }) => field)).toEqual([
    'summary',
    'completion',
    'summary',
    'completion',
    'summary',
  ]);
  // After two in a row it is asked no more.
  expect(failing.report.calls).toBe(2);
  expect((await fill(broken, { cache })).chunks).toEqual(first.chunks);
});

test('a model that hangs is left, one that refuses grammars is asked without, an abort ends it', async () => {
  const deaf: LanguageModel = { name: 'deaf', generate: () => new Promise(() => {}) };
  const { report } = await fill(deaf, { timeoutMs: 5, attempts: 1 });
  expect(report.failed).toHaveLength(5);
  const { model } = modelOf(good);
  const strict: LanguageModel = {
    name: 'strict',
    generate: async (request) => {
      if (request.grammar !== undefined) throw new SamplingError('no grammars');
      return model.generate(request);
    },
  };
  expect((await fill(strict)).report.made).toEqual({ completion: 1, summary: 3 });
  const stop = new AbortController();
  const reason = new Error('stop');
  const aborting: LanguageModel = {
    name: 'aborting',
    generate: () => {
      stop.abort(reason);
      return new Promise(() => {});
    },
  };
  const chunker = withSideFields(sentenceChunker(), { model: aborting });
  const { signal } = stop;
  await expect(chunkDocument({ id: 'd', text }, { tokenizer, chunker, signal })).rejects.toBe(
    reason,
  );
});

test('enrichment and side fields keep each other', async () => {
  const { chunks } = await fill(modelOf(good).model);
  const model: LanguageModel = {
    name: 'titles',
    generate: async () => ({ text: '{"title": "The first program"}', finishReason: 'stop', usage }),
  };
  const both = (await enrichChunks(chunks, { model, fields: ['title'] })).chunks;
  expect(enrichmentOf(both[1]!)).toMatchObject({
    title: 'The first program',
    completion: 'She is the mathematician Ada Lovelace.',
  });
  // What is asked for anew replaces what was there.
  const anew = (await enrichChunks(both, { model, fields: ['summary'] })).chunks;
  expect(enrichmentOf(anew[1]!).summary).toBeUndefined();
  expect(enrichmentOf(anew[1]!).title).toBe('The first program');
});

describe('an answer', () => {
  const passage = 'She wrote the first program.';
  const context = 'Ada Lovelace was a mathematician in London.';

  test.each<[string, string, string[] | undefined]>([
    [
      'of facts',
      '1. She is Ada Lovelace.\n2) Ada was a mathematician.',
      ['She is Ada Lovelace.', 'Ada was a mathematician.'],
    ],
    ['of nothing', ' "None." ', []],
    ['that is invented', 'Dragons fly over mountains.\nThey sleep.', undefined],
    ['that repeats the passage', 'She wrote the first program.', undefined],
    ['that stutters', 'Ada Ada Ada Ada Ada Ada Lovelace Lovelace', undefined],
    ['that is empty', '\n \n', undefined],
    [
      'that says things twice',
      'She is Ada Lovelace.\nShe is Ada Lovelace.',
      ['She is Ada Lovelace.'],
    ],
  ])('%s is read', (_, answer, expected) => {
    expect(factsOf(answer, passage, context)).toEqual(expected);
  });

  test.each<[string, string | undefined]>([
    ['She is Ada Lovelace.', 'She is Ada Lovelace.'],
    ['NONE', ''],
    ['The first program.', undefined],
    ['Bread rises in ovens of many bakers near Ada.', undefined],
    ['Ada Ada Ada Ada Ada Ada', undefined],
    ['', undefined],
    [`Ada Lovelace ${'and so on '.repeat(200)}`, undefined],
  ])('answer %# completes or does not', (answer, expected) => {
    expect(completionOf(answer, passage, ['She is Ada Lovelace.'])).toBe(expected);
  });

  test('summarises or does not', () => {
    expect(summaryOf(' She wrote\na program. ', passage)).toBe('She wrote a program.');
    expect(summaryOf('Bread rises.', passage)).toBeUndefined();
    const film = 'A movie about a program that fights dragons over green mountains.';
    expect(summaryOf(film, passage)).toBeUndefined();
    expect(summaryOf('Lovelace in London wrote it.', passage)).toBeUndefined();
    expect(summaryOf('Lovelace in London wrote it.', passage, context)).toBeDefined();
    expect(summaryOf('program '.repeat(9), passage)).toBeUndefined();
  });

  test('is bound to sound grammars', () => {
    for (const request of [
      reviewRequest(passage, context),
      completionRequest(passage, ['x']),
      summaryRequest(passage, undefined),
    ]) {
      checkGrammar(request.grammar!);
    }
  });
});

test('options out of range are refused', () => {
  const { model } = modelOf(good);
  const chunker = sentenceChunker();
  for (const options of [
    { fields: [] },
    { fields: ['title' as 'summary'] },
    { contextUnits: 0 },
    { concurrency: 0 },
    { timeoutMs: 0 },
  ]) {
    expect(() => withSideFields(chunker, { model, ...options })).toThrow(InvalidArgumentError);
  }
});

describe('a chunker with side fields', () => {
  chunkerConformance({
    test,
    chunker: () =>
      withSideFields(sentenceChunker({ maxTokens: 40 }), {
        model: modelOf({
          review: (passage) => (passage.length % 3 === 0 ? 'NONE' : passage),
          summary: (passage) => passage,
          completion: (passage) => passage,
        }).model,
      }),
    tokenizer: () => tokenizer,
    maxTokens: 40,
    longLine: 3000,
    randomDocuments: 20,
  });
});
