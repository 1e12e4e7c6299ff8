import { describe, expect, test } from '@jest/globals';
import {
  type Chunker,
  type ChunkingNotice,
  chunkDocument,
  engineLanguageModel,
  type GenerateRequest,
  InvalidArgumentError,
  type LanguageModel,
  marginChunker,
  memoryBoundaryCache,
} from '../../../lib/index.js';
import { chunkerConformance, FakeEngine } from '../../../lib/testing/index.js';
import { randomDocuments, soak } from '../../support/soak.js';
import { wordTokenizer } from '../../support/tokenizers.js';

const tokenizer = wordTokenizer();
const usage = { promptTokens: 1, generatedTokens: 1 };

/** Answers with the probability of keeping that `keep` tells for a passage and the sentence behind it. */
function modelOf(keep: (passage: string, sentence: string) => number | undefined) {
  const asked: { passage: string; sentence: string; request: GenerateRequest }[] = [];
  const model: LanguageModel = {
    name: 'scripted',
    generate: async (request) => {
      const [, passage = '', sentence = ''] =
        /Passage:\n([^]*)\n\nSentence:\n([^]*)\n\nWhich is right/.exec(request.prompt) ?? [];
      asked.push({ passage, sentence, request });
      const chance = keep(passage, sentence);
      const firstToken =
        chance === undefined
          ? [{ text: 'Well', logprob: -0.1 }]
          : [
              { text: ' 2', logprob: Math.log(chance * 0.8) },
              { text: '1', logprob: Math.log((1 - chance) * 0.8) },
              { text: 'Well', logprob: Math.log(0.2) },
            ];
      return { text: '?', finishReason: 'length', usage, firstToken };
    },
  };
  return { model, asked };
}

const hashOf = (text: string) => {
  let hash = 7;
  for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) >>> 0;
  return hash;
};
const hashed = (_: string, sentence: string) => 0.05 + (hashOf(sentence) % 90) / 100;

/** Some nonsense and some failures among the answers, the same ones each time. */
const whatever = (passage: string, sentence: string) => {
  const chance = hashOf(`${passage}|${sentence}`) >>> 5;
  if (chance % 17 === 0) throw new Error('busy');
  return chance % 13 === 0 ? undefined : hashed(passage, sentence);
};

for (const stable of [true, false]) {
  describe(`margin, ${stable ? 'stable' : 'one run'}`, () => {
    chunkerConformance({
      test,
      chunker: () => marginChunker({ model: modelOf(whatever).model, maxTokens: 40, stable }),
      tokenizer: () => tokenizer,
      maxTokens: 40,
      longLine: 10_000,
      ...randomDocuments(80, stable ? 0 : 1, 2),
    });
  });
}

describe('margin over an engine that talks nonsense', () => {
  const engine = new FakeEngine({ layers: 1, width: 8, headDim: 4 });
  chunkerConformance({
    test,
    chunker: () => marginChunker({ model: engineLanguageModel(engine), maxTokens: 60 }),
    tokenizer: () => tokenizer,
    maxTokens: 60,
    longLine: 1000,
    randomDocuments: soak ? 200 : 2,
  });
});

const cut = async (chunker: Chunker, text: string) =>
  (await chunkDocument({ id: 'd', text }, { tokenizer, chunker })).map((chunk) =>
    chunk.text.trim(),
  );
const letters = (count: number) =>
  Array.from({ length: count }, (_, i) => `Sentence ${String.fromCharCode(65 + i)} is.`);

test('cuts where the first answer is the likelier one, and shows the chunk so far', async () => {
  const sentences = letters(4);
  const { model, asked } = modelOf((_, sentence) => (sentence === sentences[2] ? 0.3 : 0.9));
  const chunker = marginChunker({ model });
  expect(await cut(chunker, sentences.join(' '))).toEqual([
    sentences.slice(0, 2).join(' '),
    sentences.slice(2).join(' '),
  ]);
  expect(asked.map(({ passage }) => passage)).toEqual([
    sentences[0],
    sentences.slice(0, 2).join(' '),
    sentences[2],
  ]);
  expect(asked[0]!.request).toMatchObject({ maxTokens: 1 });
  expect(asked[0]!.request.topLogprobs).toBeGreaterThan(1);
});

test('shows only the sentence before, where that is wanted', async () => {
  const sentences = letters(4);
  const { model, asked } = modelOf(() => 0.9);
  await cut(marginChunker({ model, compare: 'sentence' }), sentences.join(' '));
  expect(asked.map(({ passage }) => passage)).toEqual(sentences.slice(0, 3));
});

test('the threshold moves: the mean of the last five margins, after five', async () => {
  const sentences = letters(9);
  // Margins 0.2, 0.4, 0.6, 0.8, 0.6, then 0.5 (below their mean 0.52), 0.6 (above 0.58), 0.6 (below 0.62).
  const margins = [0.2, 0.4, 0.6, 0.8, 0.6, 0.5, 0.6, 0.6];
  const keep = (_: string, sentence: string) => (1 + margins[sentences.indexOf(sentence) - 1]!) / 2;
  const moving = await cut(marginChunker({ model: modelOf(keep).model }), sentences.join(' '));
  const expected: string[][] = [[sentences[0]!]];
  const known: number[] = [];
  for (const [i, margin] of margins.entries()) {
    const last = known.slice(-5);
    const theta = known.length < 5 ? 0 : last.reduce((a, b) => a + b) / 5;
    if (margin > theta) expected.at(-1)!.push(sentences[i + 1]!);
    else expected.push([sentences[i + 1]!]);
    known.push(margin);
  }
  expect(expected).toHaveLength(3);
  expect(moving).toEqual(expected.map((list) => list.join(' ')));
  const fixed = marginChunker({ model: modelOf(keep).model, threshold: 0.45 });
  expect(await cut(fixed, sentences.join(' '))).toHaveLength(3);
});

test('an edit asks about its neighbourhood only, and gives what a fresh run gives', async () => {
  const sentences = Array.from(
    { length: 400 },
    (_, i) => `Number ${i} stands for word${hashOf(`${i}`) % 97}.`,
  );
  const cache = memoryBoundaryCache();
  const first = modelOf(hashed);
  const before = await cut(marginChunker({ model: first.model, cache }), sentences.join(' '));
  const edited = sentences.with(200, 'Something else is said here.').join(' ');
  const again = modelOf(hashed);
  const after = await cut(marginChunker({ model: again.model, cache }), edited);
  expect(after).toEqual(await cut(marginChunker({ model: modelOf(hashed).model }), edited));
  expect(again.asked.length).toBeGreaterThan(0);
  expect(again.asked.length).toBeLessThan(0.4 * first.asked.length);
  const kept = new Set(after);
  expect(before.filter((chunk) => kept.has(chunk)).length).toBeGreaterThan(0.6 * before.length);
});

test('a part that the model talks nonsense about is cut by its structure; the others are not', async () => {
  const sentences = Array.from(
    { length: 300 },
    (_, i) => `Number ${i} stands for ${hashOf(`${i}`) % 97}.`,
  );
  const text = sentences.join(' ');
  const notices: ChunkingNotice[] = [];
  const { model, asked } = modelOf((passage, sentence) =>
    sentence === sentences[150] ? undefined : hashed(passage, sentence),
  );
  const chunker = marginChunker({
    model,
    maxTokens: 60,
    onNotice: (notice) => notices.push(notice),
  });
  const chunks = await cut(chunker, text);
  expect(chunks.join(' ')).toBe(text);
  expect(notices).toHaveLength(1);
  expect(notices[0]!.end - notices[0]!.start).toBeLessThan(text.length / 2);
  expect(asked.some(({ sentence }) => sentence === sentences[299])).toBe(true);
  const well = new Set(
    await cut(marginChunker({ model: modelOf(hashed).model, maxTokens: 60 }), text),
  );
  expect(chunks.filter((one) => well.has(one)).length).toBeGreaterThan(0.5 * chunks.length);
});

test('a model that fails once is asked again; one that hangs is left, and the rest cut by its structure', async () => {
  const text = letters(6).join(' ');
  let calls = 0;
  const good = modelOf(() => 0.9);
  const shaky: LanguageModel = {
    name: 'shaky',
    generate: async (request) => {
      if (++calls % 2 === 1) throw new Error('busy');
      return good.model.generate(request);
    },
  };
  expect(await cut(marginChunker({ model: shaky }), text)).toEqual([text]);
  expect(calls).toBe(10);

  const notices: ChunkingNotice[] = [];
  const cache = memoryBoundaryCache();
  const deaf: LanguageModel = { name: 'deaf', generate: () => new Promise(() => {}) };
  const chunker = marginChunker({
    model: deaf,
    maxTokens: 12,
    timeoutMs: 5,
    attempts: 1,
    cache,
    onNotice: (notice) => notices.push(notice),
  });
  expect((await cut(chunker, text)).join(' ')).toBe(text);
  expect(notices).toMatchObject([{ start: 0, end: text.length }]);
  // Nothing of it was kept.
  await cut(chunker, text);
  expect(notices).toHaveLength(2);
});

/** Fails for the questions that are told, by their number. */
function failing(model: LanguageModel, fails: (call: number) => boolean) {
  const calls: GenerateRequest[] = [];
  const shaky: LanguageModel = {
    name: 'shaky',
    generate: async (request) => {
      calls.push(request);
      if (fails(calls.length)) throw new Error('busy');
      return model.generate(request);
    },
  };
  return { model: shaky, calls };
}

const many = Array.from(
  { length: 300 },
  (_, i) => `Number ${i} stands for ${hashOf(`${i}`) % 97}.`,
);
const manyText = many.join(' ');

test.each([true, false])('one failing call costs its part only (stable: %s)', async (stable) => {
  const notices: ChunkingNotice[] = [];
  const options = { maxTokens: 60, attempts: 1, stable };
  const { model, calls } = failing(modelOf(hashed).model, (call) => call === 120);
  const chunks = await cut(
    marginChunker({ ...options, model, onNotice: (notice) => notices.push(notice) }),
    manyText,
  );
  expect(chunks.join(' ')).toBe(manyText);
  expect(notices).toHaveLength(1);
  expect(notices[0]!.message).toContain('busy');
  expect(notices[0]!.end - notices[0]!.start).toBeLessThan(manyText.length / 4);
  expect(notices[0]!.end).toBeLessThan(manyText.length);
  expect(calls.at(-1)!.prompt).toContain(many[299]!);
  const well = await cut(marginChunker({ ...options, model: modelOf(hashed).model }), manyText);
  const same = new Set(well);
  const differ = chunks.filter((chunk) => !same.has(chunk));
  // A run that began anew may have another threshold; one in parts has the same.
  if (stable)
    expect(differ.join(' ').length).toBeLessThanOrEqual(notices[0]!.end - notices[0]!.start);
  else expect(chunks.slice(0, 10)).toEqual(well.slice(0, 10));
});

test.each([true, false])(
  'a model that always fails is asked twice (stable: %s)',
  async (stable) => {
    const notices: ChunkingNotice[] = [];
    const { model, calls } = failing(modelOf(hashed).model, () => true);
    const chunker = marginChunker({
      model,
      maxTokens: 60,
      attempts: 1,
      stable,
      onNotice: (notice) => notices.push(notice),
    });
    expect((await cut(chunker, manyText)).join(' ')).toBe(manyText);
    expect(calls).toHaveLength(2);
    expect(notices.at(-1)!.message).toContain('asked no more');
    expect(notices.at(-1)!.end).toBe(manyText.length);
    // Every part is told, one behind the other.
    expect(notices[0]!.start).toBe(0);
    for (const [i, { start }] of notices.slice(1).entries()) expect(start).toBe(notices[i]!.end);
  },
);

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
  const text = letters(3).join(' ');
  await expect(
    chunkDocument({ id: 'd', text }, { tokenizer, chunker: marginChunker({ model }), signal }),
  ).rejects.toBe(reason);
});

test('options out of range are refused', () => {
  const { model } = modelOf(() => 0.5);
  expect(() => marginChunker({ model, threshold: 2 })).toThrow(InvalidArgumentError);
  expect(() => marginChunker({ model, attempts: 0 })).toThrow(InvalidArgumentError);
  expect(() => marginChunker({ model, timeoutMs: NaN })).toThrow(InvalidArgumentError);
});
