import { expect, test } from '@jest/globals';
import { LossReader } from '../../../bench/chunking/by-losses.js';
import { Cl100kTokenizer } from '../../../bench/chunking/cl100k.js';
import { askingChunkerKinds, lossChunkerKinds } from '../../../bench/chunking/kinds.js';
import { passedText } from '../../../bench/chunking/passed-text.js';
import { nothingSpent, type Spent } from '../../../bench/chunking/spent.js';
import { tune } from '../../../bench/chunking/tune.js';
import { boundaryClarity, chunkScore, chunkStickiness } from '../../../lib/evaluate/index.js';
import {
  chunkDocument,
  engineLosses,
  fixedChunker,
  type GenerateRequest,
  type LanguageModel,
  singlePassChunker,
  type TokenLosses,
} from '../../../lib/index.js';
import { FakeEngine, HashingEmbedder } from '../../../lib/testing/index.js';

const engine = new FakeEngine({ layers: 2, width: 8, headDim: 4 });
const tokenizer = new Cl100kTokenizer();
const text = Array.from(
  { length: 24 },
  (_, i) =>
    `Sentence ${i} says ${['cats', 'ships', 'rain'][(i * i) % 3]}.${i % 7 === 6 ? '\n\n' : ' '}`,
).join('');
const document = { id: 'd', text, tokens: await tokenizer.encode(text) };

test('a text in other tokens is cut where the pass over the engine’s own cuts it', async () => {
  const sizes = { maxTokens: 90, targetTokens: 60 };
  let computed = 0;
  const chunks = await passedText(engine, sizes, (tokens) => (computed += tokens)).chunk(document);
  const own = { ...document, tokens: await engine.tokenizer.encode(text) };
  const there = await singlePassChunker({ engine, ...sizes }).chunk(own);
  expect(there.length).toBeGreaterThan(3);
  // Tokens of words begin with the blank before them.
  expect(chunks.map((chunk) => chunk.text.trim())).toEqual(there.map((chunk) => chunk.text.trim()));
  expect(chunks.map(({ metadata }) => metadata)).toEqual(there.map(({ metadata }) => metadata));
  for (const chunk of chunks) expect(chunk.text).toBe(text.slice(chunk.start, chunk.end));
  expect(computed).toBeGreaterThanOrEqual(own.tokens.ids.length);
});

/** Says 2 to every second question, and knows how often it was asked. */
class Counting implements LanguageModel {
  readonly name = 'counting';
  calls = 0;

  async generate({ prompt, grammar }: GenerateRequest) {
    this.calls++;
    const keep = this.calls % 2 ? -0.1 : -3;
    const text = grammar === undefined ? '2' : 'Answer: ID 2';
    return {
      text,
      finishReason: 'stop' as const,
      usage: { promptTokens: prompt.length, generatedTokens: 1 },
      firstToken: [
        { text: '1', logprob: Math.log(1 - Math.exp(keep)) },
        { text: '2', logprob: keep },
      ],
    };
  }
}

test('chunkers that have a model read a text are tuned to a mean size, and what it did for the cut is told', async () => {
  const model = new Counting();
  let computed = 0;
  const onComputed = (tokens: number) => {
    computed += tokens;
  };
  // The loss of a sentence follows from its place.
  const losses: TokenLosses = {
    fingerprint: 'made',
    lossesOf: async (ids) => {
      onComputed(ids.length);
      return Float32Array.from(ids, (_, i) => Math.sin(i / 7));
    },
  };
  const given = {
    engine,
    losses,
    model,
    modelFingerprint: 'counting',
    onNotice: () => {},
    onComputed,
  };
  const spent = (): Spent => ({ ...nothingSpent, calls: model.calls, read: computed });
  const kinds = { perplexity: lossChunkerKinds['perplexity'], ...askingChunkerKinds };
  for (const [name, kind] of Object.entries(kinds)) {
    if (!kind) throw new Error(`there is ${name}`);
    const found = await tune(kind(given, 30), [document], 30, { tolerance: 0.05, spent });
    // The answers of `question-aware` are no segmentation: it is cut by its structure.
    expect([name, Math.abs(found.meanTokens - 30) < 12]).toEqual([name, true]);
    const { calls, read } = found.spent;
    const isAsked = Object.hasOwn(askingChunkerKinds, name);
    expect([name, calls > 0, read >= document.tokens.ids.length]).toEqual([
      name,
      isAsked,
      !isAsked,
    ]);
    expect(calls + read).toBeLessThanOrEqual(model.calls + computed);
  }
});

test('tuning begins where it is told to, and ends when it is near enough', async () => {
  const tried: number[] = [];
  const kind = (maxTokens: number) => {
    tried.push(maxTokens);
    return fixedChunker({ maxTokens });
  };
  await tune(kind, [document], 10, { tolerance: 0.1, first: 11 });
  expect(tried).toEqual([11]);
  const near = await tune(kind, [document], 10, { tolerance: 0.1, first: 30 });
  expect(Math.abs(near.meanTokens - 10)).toBeLessThanOrEqual(1);
  expect(tried.length).toBeGreaterThan(2);
});

test('measures by losses are those of the library over the first chunks, each text read once', async () => {
  const embedder = new HashingEmbedder({ dimensions: 32 });
  const all = await chunkDocument(document, { chunker: fixedChunker({ maxTokens: 8 }) });
  const chunks = all.slice(0, 3);
  const found = await new LossReader(engine, embedder).measure(chunks);
  expect(found.chunks).toBe(3);
  const read = await Promise.all(
    chunks.map(async (chunk) => ({
      text: chunk.text,
      tokens: (await engine.tokenizer.encode(chunk.text)).ids,
    })),
  );
  const losses = engineLosses({ engine });
  const emptyContext = (await engine.tokenizer.encode(' ')).ids;
  expect(found.clarity.paper).toBe((await boundaryClarity(read, { losses })).mean);
  expect(found.stickiness.paper).toBe((await chunkStickiness(read, { losses })).entropy);
  const code = { losses, emptyContext, form: 'code' } as const;
  expect(found.clarity.code).toBe((await boundaryClarity(read, code)).mean);
  expect(found.stickiness.code).toBe((await chunkStickiness(read, code)).entropy);
  expect(found.score).toEqual(await chunkScore(read, { losses, embedder }));
});
