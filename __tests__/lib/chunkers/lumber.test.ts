import { describe, expect, test } from '@jest/globals';
import { checkGrammar } from '../../../adapters/ggml/gbnf.js';
import { shiftOf } from '../../../lib/chunkers/model/shift-question.js';
import {
  type Chunker,
  type ChunkingNotice,
  chunkDocument,
  contentDefinedChunker,
  engineLanguageModel,
  type GenerateRequest,
  InvalidArgumentError,
  type LanguageModel,
  lumberChunker,
  type LumberChunkerOptions,
  memoryBoundaryCache,
} from '../../../lib/index.js';
import { chunkerConformance, FakeEngine } from '../../../lib/testing/index.js';
import { randomDocuments } from '../../support/soak.js';
import { wordTokenizer } from '../../support/tokenizers.js';

const tokenizer = wordTokenizer();
const usage = { promptTokens: 1, generatedTokens: 1 };

const hashOf = (text: string) => {
  let hash = 7;
  for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) >>> 0;
  return hash;
};

/** Answers for the paragraphs that it is shown, numbered from 1. */
function modelOf(
  answer: (paragraphs: string[], request: GenerateRequest) => string | Promise<never>,
) {
  const asked: { paragraphs: string[]; request: GenerateRequest }[] = [];
  const model: LanguageModel = {
    name: 'scripted',
    generate: async (request) => {
      const [, shown = ''] = /\n\n(ID 1: [^]*)$/.exec(request.prompt) ?? [];
      const paragraphs = shown.split(/(?:^|\n)ID \d+: /).slice(1);
      asked.push({ paragraphs, request });
      return { text: await answer(paragraphs, request), finishReason: 'stop', usage };
    },
  };
  return { model, asked };
}

/** Says all that a model may say, by chance that the text and the seed decide. */
function whatever(paragraphs: readonly string[], { seed = 0 }: GenerateRequest) {
  const chance = (hashOf(paragraphs.join('|')) + 97 * seed) >>> 0;
  const id = 2 + (chance % Math.max(1, paragraphs.length - 1));
  const answers = [
    `Answer: ID ${id}`,
    `answer: id ${id}.`,
    `ID ${id}`,
    `${id}`,
    'Answer: ID 1',
    `Answer: ID ${paragraphs.length + 1}`,
    'Answer: ID 999999999999',
    'They are all about the same.',
    '',
  ];
  if (chance % 23 === 0) return Promise.reject(new Error('busy'));
  return answers[(chance >>> 5) % answers.length]!;
}

for (const stable of [true, false]) {
  describe(`lumber, ${stable ? 'stable' : 'one run'}`, () => {
    chunkerConformance({
      test,
      chunker: () => lumberChunker({ model: modelOf(whatever).model, maxTokens: 40, stable }),
      tokenizer: () => tokenizer,
      maxTokens: 40,
      longLine: 10_000,
      ...randomDocuments(60, stable ? 0 : 1, 2),
    });
  });
}

const cut = async (chunker: Chunker, text: string) =>
  (await chunkDocument({ id: 'd', text }, { tokenizer, chunker })).map((chunk) =>
    chunk.text.trim(),
  );
/** Ten paragraphs of nine tokens each, and one for the line ends between them. */
const paragraphs = Array.from(
  { length: 10 },
  (_, i) => `Word ${'abcdefghij'[i]} stands here. It says so.`,
);
const text = paragraphs.join('\n\n');
const groups = (...borders: number[]) =>
  [0, ...borders].map((from, i) => paragraphs.slice(from, borders[i] ?? 10).join('\n\n'));

function noted(model: LanguageModel, options: Partial<LumberChunkerOptions> = {}) {
  const notices: ChunkingNotice[] = [];
  const onNotice = (notice: ChunkingNotice) => notices.push(notice);
  return {
    notices,
    chunker: lumberChunker({
      model,
      maxTokens: 45,
      paragraphTokens: 12,
      stable: false,
      onNotice,
      ...options,
    }),
  };
}

test('cuts before the paragraph that is named, and begins the next question with it', async () => {
  const { model, asked } = modelOf((shown) => {
    const at = shown.findIndex(
      (one, i) => i > 0 && (one === paragraphs[3] || one === paragraphs[5]),
    );
    return `Answer: ID ${at > 0 ? at + 1 : 2}`;
  });
  const { chunker, notices } = noted(model);
  expect(await cut(chunker, text)).toEqual(groups(3, 5, 6));
  expect(notices).toEqual([]);
  // Four fit with the line ends between them; the last four are left and not asked about.
  expect(asked.map((one) => one.paragraphs)).toEqual([
    paragraphs.slice(0, 4),
    paragraphs.slice(3, 7),
    paragraphs.slice(5, 9),
  ]);
  expect(asked[0]!.request.grammar).toBe(
    'root ::= "Answer: ID 2" | "Answer: ID 3" | "Answer: ID 4"',
  );
  checkGrammar(asked[0]!.request.grammar!);
});

test('long paragraphs are shown in pieces of whole sentences', async () => {
  const { model, asked } = modelOf(() => 'Answer: ID 2');
  const chunks = await cut(
    lumberChunker({ model, maxTokens: 50, paragraphTokens: 12 }),
    text.replaceAll('\n\n', ' '),
  );
  expect(asked[0]!.paragraphs.length).toBeGreaterThan(3);
  expect(asked[0]!.paragraphs.every((piece) => piece.endsWith('.'))).toBe(true);
  expect(chunks.join(' ')).toBe(text.replaceAll('\n\n', ' '));
});

test.each<[string, number, number | undefined]>([
  ['Answer: ID 3', 5, 3],
  ['**Answer:** ID 0004', 5, 4],
  ['The answer is paragraph ID 2, since the topic changes in 3.', 5, 2],
  ['ID 5 begins something else', 5, 5],
  [' 2\n', 5, 2],
  ['Answer: ID 1', 5, undefined],
  ['Answer: ID 6', 5, undefined],
  ['There are 3 of them', 5, undefined],
  ['Answer: none', 5, undefined],
  ['', 5, undefined],
])('reads %j', (answer, count, id) => {
  expect(shiftOf(answer, count)).toBe(id);
});

test('paragraphs about which the model talks nonsense are cut by their structure; the others are not', async () => {
  const { model, asked } = modelOf((shown) =>
    shown[0] === paragraphs[2] ? 'All the same.' : 'ID 3',
  );
  const cache = memoryBoundaryCache();
  const { chunker, notices } = noted(model, { cache });
  // The nonsense is about the third to the sixth paragraph.
  expect(await cut(chunker, text)).toEqual(groups(2, 6));
  expect(notices).toMatchObject([
    {
      kind: 'structural-fallback',
      start: text.indexOf(paragraphs[2]!),
      end: text.indexOf(paragraphs[6]!),
    },
  ]);
  // Asked again another way, and not kept.
  expect(asked.map(({ request }) => request.seed)).toEqual([undefined, undefined, 1]);
  await cut(chunker, text);
  expect(notices).toHaveLength(2);
});

test('a model that hangs is left, and the document cut by its structure', async () => {
  const deaf: LanguageModel = { name: 'deaf', generate: () => new Promise(() => {}) };
  const { chunker, notices } = noted(deaf, { timeoutMs: 5, attempts: 1 });
  expect(await cut(chunker, text)).toEqual(
    await cut(contentDefinedChunker({ maxTokens: 45 }), text),
  );
  expect(notices.at(-1)!.end).toBe(text.length);
});

test('one failing call costs the paragraphs that it was about; after two in a row there are no more', async () => {
  let calls = 0;
  const { model } = modelOf((shown) => {
    calls++;
    return shown[0] === paragraphs[2] ? Promise.reject(new Error('busy')) : 'ID 3';
  });
  const { chunker, notices } = noted(model, { attempts: 1 });
  expect(await cut(chunker, text)).toEqual(groups(2, 6));
  expect(notices).toMatchObject([
    { start: text.indexOf(paragraphs[2]!), end: text.indexOf(paragraphs[6]!) },
  ]);
  expect(notices[0]!.message).toContain('busy');
  expect(calls).toBe(2);

  const many = Array.from({ length: 400 }, (_, i) => `Number ${i} stands for itself.`).join('\n\n');
  for (const stable of [true, false]) {
    const down = modelOf(() => Promise.reject(new Error('down')));
    const other = noted(down.model, { attempts: 1, stable });
    expect((await cut(other.chunker, many)).join('\n\n')).toBe(many);
    expect(down.asked).toHaveLength(2);
    expect(other.notices.at(-1)!.message).toContain('asked no more');
    expect(other.notices.at(-1)!.end).toBe(many.length);
  }
});

const sound = (shown: readonly string[]) => `ID ${2 + (hashOf(shown.join()) % (shown.length - 1))}`;

test('an edit asks about its neighbourhood only, and gives what a fresh run gives', async () => {
  const many = Array.from(
    { length: 600 },
    (_, i) => `Number ${i} stands for ${hashOf(`${i}`) % 97}.`,
  );
  const cache = memoryBoundaryCache();
  const first = modelOf(sound);
  const options = { maxTokens: 60, cache };
  const before = await cut(lumberChunker({ model: first.model, ...options }), many.join('\n\n'));
  const edited = many.with(300, 'Something else is said here.').join('\n\n');
  const again = modelOf(sound);
  const after = await cut(lumberChunker({ model: again.model, ...options }), edited);
  const fresh = lumberChunker({ model: modelOf(sound).model, maxTokens: 60 });
  expect(after).toEqual(await cut(fresh, edited));
  expect(again.asked.length).toBeGreaterThan(0);
  expect(again.asked.length).toBeLessThan(0.4 * first.asked.length);
  const kept = new Set(after);
  expect(before.filter((chunk) => kept.has(chunk)).length).toBeGreaterThan(0.8 * before.length);
});

test('an engine bound to the grammar names a paragraph that it was shown', async () => {
  const engine = new FakeEngine({ layers: 1, width: 8, headDim: 4 });
  const { chunker, notices } = noted(engineLanguageModel(engine), { maxTokens: 25 });
  const few = paragraphs.slice(0, 4).join('\n\n');
  expect((await cut(chunker, few)).join('\n\n')).toBe(few);
  expect(notices).toEqual([]);
});

test('options out of range are refused', () => {
  const { model } = modelOf(() => '');
  for (const options of [
    { paragraphTokens: 0 },
    { paragraphTokens: 551 },
    { concurrency: 0.5 },
    { attempts: 0 },
  ]) {
    expect(() => lumberChunker({ model, ...options })).toThrow(InvalidArgumentError);
  }
});
