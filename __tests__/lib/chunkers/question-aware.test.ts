import { describe, expect, test } from '@jest/globals';
import {
  type Chunker,
  type ChunkingNotice,
  chunkDocument,
  chunkScoreJudge,
  contentDefinedChunker,
  type Embedder,
  type GenerateRequest,
  type GenerateResult,
  InvalidArgumentError,
  type LanguageModel,
  memoryBoundaryCache,
  questionAwareChunker,
  SamplingError,
  type SegmentationJudge,
  type TokenLosses,
} from '../../../lib/index.js';
import { chunkerConformance } from '../../../lib/testing/index.js';
import { randomDocuments } from '../../support/soak.js';
import { wordTokenizer } from '../../support/tokenizers.js';

const tokenizer = wordTokenizer();
const usage = { promptTokens: 1, generatedTokens: 1 };

const hashOf = (text: string) => {
  let hash = 7;
  for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) >>> 0;
  return hash;
};

type Answer = string | Partial<GenerateResult> | Promise<never>;

/** Answers segmentation requests by `answer`, and outline requests with a question. */
function modelOf(
  answer: (text: string, request: GenerateRequest) => Answer,
  outline: (text: string) => Answer = () => 'What is it?',
) {
  const asked: { kind: 'outline' | 'segment'; text: string; request: GenerateRequest }[] = [];
  const model: LanguageModel = {
    name: 'scripted',
    generate: async (request) => {
      const [, text = ''] = /\nText:\n([^]*)$/.exec(request.prompt) ?? [];
      const kind = request.prompt.startsWith('Divide') ? 'segment' : 'outline';
      asked.push({ kind, text, request });
      const given = await (kind === 'segment' ? answer(text, request) : outline(text));
      const result = typeof given === 'string' ? { text: given } : given;
      return { text: '', finishReason: 'stop', usage, ...result };
    },
  };
  const calls = (kind: 'outline' | 'segment') => asked.filter((one) => one.kind === kind);
  return { model, asked, calls };
}

const lineOf = (passage: string) => {
  const words = passage.trim().split(/\s+/);
  return `${words.slice(0, 5).join(' ')} [...] ${words.slice(-4).join(' ')}`;
};

/** Says all that a model may say, by chance that the text and the seed decide. */
function whatever(text: string, { seed = 0 }: GenerateRequest): Answer {
  let state = hashOf(text) + seed;
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
  const pieces = text.split(/(?<=[.!?。\n])/u);
  const lines: string[] = [];
  for (let i = 0; i < pieces.length;) {
    const length = 1 + next(4);
    lines.push(lineOf(pieces.slice(i, i + length).join('')));
    i += length;
  }
  const answers: (() => Answer)[] = [
    () => lines.join('\n'),
    () => lines.map((line, i) => `${i + 1}. "${line}"`).join('\n'),
    () => lines.map((line) => line.replaceAll('e', 'a').toUpperCase()).join('\n'),
    () => lines.toReversed().join('\n'),
    () => `Sure! Here they are:\n\n${lines.slice(0, 1 + next(lines.length)).join('\n')}`,
    () => Array.from({ length: 60 }, () => lines[0]).join('\n'),
    () => 'An invented passage [...] that never was.\nAnother one [...] of the kind.',
    () => ({ text: lines.join('\n').slice(0, next(200)), finishReason: 'length' }),
    () => 'I cannot help with that.',
    () => '',
    () => Promise.reject(new Error('busy')),
    () => text,
  ];
  return answers[next(answers.length)]!();
}

const hashedJudge: SegmentationJudge = {
  fingerprint: 'hashed',
  score: async (chunks) => hashOf(chunks.map(({ text }) => text).join('|')),
};

for (const candidates of [1, 3]) {
  describe(`question-aware, ${candidates} candidates`, () => {
    chunkerConformance({
      test,
      chunker: () =>
        questionAwareChunker({
          model: modelOf(whatever).model,
          judge: hashedJudge,
          candidates,
          maxTokens: 40,
          windowTokens: 150,
        }),
      tokenizer: () => tokenizer,
      maxTokens: 40,
      longLine: 10_000,
      ...randomDocuments(50, candidates > 1 ? 1 : 0, 2),
    });
  });
}

const cut = async (chunker: Chunker, text: string) =>
  (await chunkDocument({ id: 'd', text }, { tokenizer, chunker })).map((chunk) =>
    chunk.text.trim(),
  );
const sentences = Array.from(
  { length: 8 },
  (_, i) =>
    `The ${'first second third fourth fifth sixth seventh eighth'.split(' ')[i]} thing is told here.`,
);
/** As they would be without a word in common. */
const apart = [
  'Bees dance.',
  'Wind blows cold tonight.',
  'Old maps lie.',
  'Rivers bend around hills.',
  'Nobody came.',
];
const text = sentences.join(' ');
const passages = (...borders: number[]) =>
  [0, ...borders].map((from, i) => sentences.slice(from, borders[i] ?? 8).join(' '));
const answerOf = (...borders: number[]) =>
  passages(...borders)
    .map(lineOf)
    .join('\n');

function noted(
  model: LanguageModel,
  options: Partial<Parameters<typeof questionAwareChunker>[0]> = {},
) {
  const notices: ChunkingNotice[] = [];
  const onNotice = (notice: ChunkingNotice) => notices.push(notice);
  return { notices, chunker: questionAwareChunker({ model, minTokens: 0, onNotice, ...options }) };
}

test('asks for questions, shows them, and cuts where the answer says', async () => {
  const { model, asked } = modelOf(
    () => answerOf(3, 5),
    () =>
      '1. What is the first thing?\nNo question.\nWhich dragons fly?\n- What of the eighth?\nWhat of the eighth?',
  );
  const { chunker, notices } = noted(model);
  expect(await cut(chunker, text)).toEqual(passages(3, 5));
  expect(notices).toEqual([]);
  expect(asked.map(({ kind }) => kind)).toEqual(['outline', 'segment']);
  expect(asked.map((one) => one.text)).toEqual([text, text]);
  expect(asked[1]!.request.prompt).toContain(
    '- What is the first thing?\n- What of the eighth?\n\n',
  );
  expect(asked[1]!.request).toMatchObject({ temperature: 0, seed: 1 });
  const plain = modelOf(() => answerOf(3, 5));
  await cut(questionAwareChunker({ model: plain.model, outline: false, grammar: false }), text);
  expect(plain.asked.map(({ kind }) => kind)).toEqual(['segment']);
  expect(plain.asked[0]!.request.grammar).toBeUndefined();
});

test.each<[string, string]>([
  [
    'numbers, quotation marks and other gaps',
    '1. "The first thing ... thing is told here."\n2) “The fourth thing [MASK] told here.”\n- The sixth thing is [...] is told here.',
  ],
  [
    'wrong words, case and blanks',
    'the frist thing  is told [...] told here\nTHE FOURTH THNG is tolt [...] here.\nThe sixth one is told [...] told here.',
  ],
  ['first words alone', 'The first thing is\nThe fourth thing is\nThe sixth thing is'],
  [
    'a first word that is missing',
    'The first thing [...] third thing is told here.\nAn invented beginning [...] fifth thing is told here.\nThe sixth thing [...] told here.',
  ],
  [
    'a preamble',
    'Here are the passages:\n\nThe first thing [...] told here.\nThe fourth thing [...] told here.\nThe sixth thing [...] eighth thing is told here.',
  ],
  [
    'a passage of another text',
    'The first thing [...] told here.\nDragons fly over the sea [...] and land.\nThe fourth thing [...] told here.\nThe sixth thing [...] is told here.',
  ],
  [
    'first words out of the middle',
    'The first thing [...] told here.\nfourth thing is told here [...] told here.\nsixth thing is told here. The seventh [...] told here.',
  ],
])('reads an answer with %s', async (_, answer) => {
  const { chunker, notices } = noted(modelOf(() => answer).model);
  expect(await cut(chunker, text)).toEqual(passages(3, 5));
  expect(notices).toEqual([]);
});

const maxTokens = 20;
test.each<[string, Answer]>([
  [
    'invents passages',
    'Dragons fly over the sea [...] and land at night.\nThey sleep [...] for long.',
  ],
  ['shuffles them', answerOf(1, 2, 3, 4, 5, 6, 7).split('\n').toReversed().join('\n')],
  ['loops', Array.from({ length: 500 }, () => lineOf(sentences[0]!)).join('\n')],
  ['talks', 'I am a language model, and I love to help with texts of all kinds!'],
  ['says nothing', '\n\n'],
])(
  'a part about which the model %s is cut by its structure, told, and not kept',
  async (_, answer) => {
    const { model, calls } = modelOf(() => answer);
    const cache = memoryBoundaryCache();
    const { chunker, notices } = noted(model, { maxTokens, cache, windowTokens: 200 });
    expect(await cut(chunker, text)).toEqual(await cut(contentDefinedChunker({ maxTokens }), text));
    expect(notices).toMatchObject([
      { kind: 'structural-fallback', documentId: 'd', start: 0, end: text.length },
    ]);
    // Asked again, with another seed.
    expect(calls('segment').map(({ request }) => request.seed)).toEqual([1, 2]);
    await cut(chunker, text);
    expect(notices).toHaveLength(2);
  },
);

test.each<[string, Answer, number]>([
  ['that stops early', 'Bees dance. [...] cold tonight.\nOld maps [...] around hills.', 4],
  [
    'that is cut short',
    { text: 'Bees dance. [...] cold tonight.\nOld maps [..', finishReason: 'length' },
    2,
  ],
  ['that is cut in its first line', { text: 'Bees da', finishReason: 'length' }, -1],
])('of an answer %s the rest is cut by its structure, and told', async (_, answer, from) => {
  const whole = apart.join(' ');
  const { chunker, notices } = noted(modelOf(() => answer).model);
  const chunks = await cut(chunker, whole);
  expect(chunks.join(' ')).toBe(whole);
  expect(notices).toMatchObject([
    { start: from < 0 ? 0 : whole.indexOf(apart[from]!) - 1, end: whole.length },
  ]);
  if (from < 0) return;
  expect(chunks[0]).toBe(apart.slice(0, 2).join(' '));
  expect(chunks.at(-1)).toBe(apart.slice(from).join(' '));
  expect(notices[0]!.message).toMatch(/ended before it/);
});

const many = Array.from(
  { length: 120 },
  (_, i) => `Number ${i} stands for word${hashOf(`${i}`) % 97} and more.`,
);
const pairs = (part: string) => {
  const found = part.split(/(?<=\.) /);
  return found
    .flatMap((_, i) => (i % 2 === 0 ? [lineOf(found.slice(i, i + 2).join(' '))] : []))
    .join('\n');
};

test('long texts are done in parts; a part that fails does not touch the others', async () => {
  const good = modelOf(pairs);
  const { chunker, notices } = noted(good.model, { windowTokens: 400 });
  const chunks = await cut(chunker, many.join(' '));
  expect(good.calls('segment').length).toBeGreaterThan(3);
  expect(notices).toEqual([]);
  expect(chunks.filter((chunk) => chunk.match(/Number/g)?.length === 2).length).toBeGreaterThan(50);
  const bad = modelOf((part) => (part.includes(many[60]!) ? 'No.' : pairs(part)));
  const flawed = noted(bad.model, { windowTokens: 400, maxTokens: 60 });
  const rest = await cut(flawed.chunker, many.join(' '));
  expect(flawed.notices).toHaveLength(1);
  expect(rest.join(' ')).toBe(many.join(' '));
  expect(rest).toEqual(expect.arrayContaining([chunks[0], chunks.at(-1)]));
});

test('an edit has its part asked about again, and gives what a fresh run gives', async () => {
  const longer = Array.from(
    { length: 400 },
    (_, i) => `Number ${i} stands for word${hashOf(`${i}`) % 97}.`,
  );
  const cache = memoryBoundaryCache();
  const first = modelOf(pairs);
  const options = { windowTokens: 400, minTokens: 0, cache };
  await cut(questionAwareChunker({ model: first.model, ...options }), longer.join(' '));
  const edited = longer.with(200, 'Something else is said here.').join(' ');
  const again = modelOf(pairs);
  const after = await cut(questionAwareChunker({ model: again.model, ...options }), edited);
  expect(after).toEqual(
    await cut(
      questionAwareChunker({ model: modelOf(pairs).model, windowTokens: 400, minTokens: 0 }),
      edited,
    ),
  );
  expect(again.asked.length).toBeGreaterThan(0);
  expect(again.asked.length).toBeLessThan(0.5 * first.asked.length);
  // Other parameters, other keys.
  const other = modelOf(pairs);
  await cut(questionAwareChunker({ model: other.model, ...options, maxTokens: 300 }), edited);
  expect(other.asked.length).toBe(first.asked.length);
});

test('what is too short is joined with a neighbour where both fit', async () => {
  const size = (await tokenizer.encode(sentences[0]!)).ids.length;
  const cutAt = (minTokens: number, maxTokens: number) =>
    cut(
      questionAwareChunker({
        model: modelOf(() => answerOf(1, 4, 7)).model,
        minTokens: Math.floor(minTokens * size),
        maxTokens: maxTokens * size + 2,
        windowTokens: 400,
      }),
      text,
    );
  expect(await cutAt(0, 4)).toEqual(passages(1, 4, 7));
  expect(await cutAt(2, 4)).toEqual(passages(4));
  expect(await cutAt(1.5, 3)).toEqual(passages(1, 4, 7));
});

test('after two failures in a row a model is asked no more, and what was kept is still taken', async () => {
  const cache = memoryBoundaryCache();
  const options = { windowTokens: 400, minTokens: 0, cache };
  const whole = await cut(
    questionAwareChunker({ model: modelOf(pairs).model, ...options }),
    many.join(' '),
  );
  let calls = 0;
  const deaf: LanguageModel = {
    name: 'scripted',
    generate: () => {
      calls++;
      return new Promise(() => {});
    },
  };
  const known = noted(deaf, options);
  expect(await cut(known.chunker, many.join(' '))).toEqual(whole);
  const { chunker, notices } = noted(deaf, {
    ...options,
    cache: memoryBoundaryCache(),
    timeoutMs: 5,
    attempts: 1,
  });
  expect((await cut(chunker, many.join(' '))).join(' ')).toBe(many.join(' '));
  expect(calls).toBe(2);
  expect(notices.length).toBeGreaterThan(3);
  expect(notices[0]!.message).toMatch(/did not answer within 5 ms/);
  expect(notices.at(-1)!.message).toMatch(/asked no more/);
  expect(notices.at(-1)!.end).toBe(many.join(' ').length);
});

test('of several segmentations the one that is judged best is taken', async () => {
  const answers = [answerOf(1), answerOf(3, 5), answerOf(3, 5), 'No.', answerOf(6)];
  const { model, calls } = modelOf((_, { seed }) => answers[(seed! - 1) % 5]!);
  const judged: number[] = [];
  const judge: SegmentationJudge = {
    fingerprint: 'most',
    score: async (chunks) => {
      judged.push(chunks.length);
      return chunks.length;
    },
  };
  const chunker = questionAwareChunker({ model, judge, candidates: 5, minTokens: 0 });
  expect(await cut(chunker, text)).toEqual(passages(3, 5));
  // The same one is judged once.
  expect(judged).toEqual([2, 3, 2]);
  expect(calls('segment').every(({ request }) => request.temperature === 0.7)).toBe(true);
  // Of a judge that fails, or talks nonsense, the first is taken and that is told.
  for (const score of [() => Promise.reject(new Error('no')), async () => NaN]) {
    const { chunker: bad, notices } = noted(model, {
      judge: { fingerprint: 'bad', score },
      candidates: 5,
    });
    expect(await cut(bad, text)).toEqual(passages(1));
    expect(notices).toMatchObject([{ kind: 'unjudged', start: 0, end: text.length }]);
  }
});

test('chunk score prefers chunks that are apart in meaning and need each other little', async () => {
  // The model knows what follows within a pair of sentences, and nothing else.
  const losses: TokenLosses = {
    fingerprint: 'flat',
    lossesOf: async (tokens) => Float32Array.from(tokens, (_, i) => (i === 0 ? NaN : 2)),
  };
  const embedder: Embedder = {
    fingerprint: 'by halves',
    dimensions: 4,
    embed: async (texts) =>
      texts.map((one) => {
        const early = sentences.slice(0, 4).filter((sentence) => one.includes(sentence)).length;
        const late = sentences.slice(4).filter((sentence) => one.includes(sentence)).length;
        return Float32Array.of(early, -early, late, -late).map(
          (v) => v / Math.hypot(early, early, late, late),
        );
      }),
  };
  const answers = [answerOf(2), answerOf(4), answerOf(6)];
  const { model } = modelOf((_, { seed }) => answers[seed! - 1]!);
  const judge = chunkScoreJudge({ losses, embedder });
  expect(await cut(questionAwareChunker({ model, judge, minTokens: 0 }), text)).toEqual(
    passages(4),
  );
  expect(judge.fingerprint).not.toBe(
    chunkScoreJudge({ losses, embedder, lambda: 0.5 }).fingerprint,
  );
  expect(() => chunkScoreJudge({ losses, embedder, lambda: -1 })).toThrow(InvalidArgumentError);
});

test('a model that refuses grammars is asked without', async () => {
  const { model, asked } = modelOf(() => answerOf(3, 5));
  const strict: LanguageModel = {
    name: 'strict',
    generate: async (request) => {
      if (request.grammar !== undefined) throw new SamplingError('no grammars');
      return model.generate(request);
    },
  };
  expect(await cut(questionAwareChunker({ model: strict, minTokens: 0 }), text)).toEqual(
    passages(3, 5),
  );
  expect(asked).toHaveLength(2);
});

test('an abort ends a call that is under way', async () => {
  const stop = new AbortController();
  const reason = new Error('stop');
  const model: LanguageModel = {
    name: 'deaf',
    generate: () => {
      stop.abort(reason);
      return new Promise(() => {});
    },
  };
  const { signal } = stop;
  await expect(
    chunkDocument(
      { id: 'd', text },
      { tokenizer, chunker: questionAwareChunker({ model }), signal },
    ),
  ).rejects.toBe(reason);
});

test('options out of range are refused', () => {
  const { model } = modelOf(() => '');
  for (const options of [
    { minTokens: 201 },
    { targetTokens: 0 },
    { targetTokens: 401 },
    { windowTokens: 399 },
    { candidates: 2 },
    { candidates: 0 },
    { temperature: -1 },
    { concurrency: 0 },
    { attempts: 0 },
    { maxTokens: 3 },
  ]) {
    expect(() => questionAwareChunker({ model, ...options })).toThrow(InvalidArgumentError);
  }
});
