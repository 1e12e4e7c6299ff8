import { describe, expect, test } from '@jest/globals';
import {
  type Chunker,
  type ChunkingNotice,
  chunkDocument,
  contentDefinedChunker,
  engineLosses,
  InvalidArgumentError,
  memoryBoundaryCache,
  perplexityChunker,
  type TokenLosses,
} from '../../../lib/index.js';
import { chunkerConformance, FakeEngine } from '../../../lib/testing/index.js';
import { oneInTen, quickEngine } from '../../support/quick-engine.js';
import { randomDocuments, soak } from '../../support/soak.js';
import { wordTokenizer } from '../../support/tokenizers.js';

const tokenizer = wordTokenizer();

/** Losses from the ids alone, with much up and down. */
const hashedLosses: TokenLosses = {
  fingerprint: 'hashed',
  lossesOf: async (tokens, _sentences, { signal } = {}) => {
    signal?.throwIfAborted();
    return Float32Array.from(tokens, (id, i) => (i === 0 ? NaN : ((id * 2654435761) >>> 16) % 7));
  },
};

for (const [half, boundary] of (['after', 'overlap'] as const).entries()) {
  for (const [quarter, targetTokens] of [0, 20].entries()) {
    const part = 2 * half + quarter;
    describe(`perplexity, ${boundary}, target ${targetTokens}`, () => {
      chunkerConformance({
        test,
        chunker: () =>
          perplexityChunker({ losses: hashedLosses, maxTokens: 40, targetTokens, boundary }),
        tokenizer: () => tokenizer,
        maxTokens: 40,
        overlaps: boundary === 'overlap',
        longLine: 20_000,
        ...randomDocuments(100, part, 5),
      });
    });
  }
}

// Every row is computed by the fake engine, which takes its time: the short form has told losses above.
if (soak) {
  describe('perplexity over an engine', () => {
    const engine = new FakeEngine({ layers: 1, width: 8, headDim: 4 });
    chunkerConformance({
      test,
      chunker: () =>
        perplexityChunker({
          losses: engineLosses({
            engine,
            windows: { kind: 'segments', maxTokens: 160, minTokens: 80, overlap: 20 },
          }),
          maxTokens: 60,
        }),
      tokenizer: () => engine.tokenizer,
      maxTokens: 60,
      longLine: 800,
      randomDocuments: 500,
    });
  });
}

describe('perplexity over losses in segments, one run in ten failing', () => {
  const windows = { kind: 'segments', maxTokens: 160, minTokens: 80, overlap: 20 } as const;
  chunkerConformance({
    test,
    chunker: () =>
      perplexityChunker({
        losses: engineLosses({ engine: quickEngine(tokenizer, oneInTen).engine, windows }),
        maxTokens: 40,
      }),
    tokenizer: () => tokenizer,
    maxTokens: 40,
    longLine: 10_000,
    ...randomDocuments(60, 4, 5),
  });
});

/** Gives each sentence the loss that is told for it. */
const told = (means: readonly number[]): TokenLosses => ({
  fingerprint: `told ${means.join()}`,
  lossesOf: async (tokens, sentences) => {
    const losses = new Float32Array(tokens.length);
    for (const [i, { start, end }] of sentences.entries()) losses.fill(means[i]!, start, end);
    return losses;
  },
});

const text = 'One is here. Two is here. Three is here. Four is here. Five is here.';
const cut = async (chunker: Chunker, of = text) =>
  (await chunkDocument({ id: 'd', text: of }, { tokenizer, chunker })).map((chunk) =>
    chunk.text.trim(),
  );

test('the sentence at a minimum closes the chunk before it', async () => {
  const losses = told([3, 1, 3, 2, 4]);
  expect(await cut(perplexityChunker({ losses, targetTokens: 0 }))).toEqual([
    'One is here. Two is here.',
    'Three is here. Four is here.',
    'Five is here.',
  ]);
  expect(await cut(perplexityChunker({ losses, targetTokens: 0, threshold: 2.5 }))).toEqual([text]);
  expect(await cut(perplexityChunker({ losses, targetTokens: 0, boundary: 'overlap' }))).toEqual([
    'One is here. Two is here.',
    'Two is here. Three is here. Four is here.',
    'Four is here. Five is here.',
  ]);
});

test('chunks are joined up to the target, and cut above the limit', async () => {
  const losses = told([3, 1, 3, 2, 4]);
  const whole = (
    await chunkDocument(
      { id: 'd', text },
      { tokenizer, chunker: perplexityChunker({ losses, targetTokens: 400 }) },
    )
  )[0]!;
  expect(whole.text).toBe(text);
  const most = whole.tokens.length;
  const two = await cut(perplexityChunker({ losses, targetTokens: Math.ceil((4 * most) / 5) }));
  expect(two).toEqual(['One is here. Two is here. Three is here. Four is here.', 'Five is here.']);
  // No minimum at all, and a limit that the text is above.
  const flat = told([1, 1, 1, 1, 1]);
  const maxTokens = Math.ceil(most / 2);
  const fitting = await cut(perplexityChunker({ losses: flat, maxTokens }));
  expect(fitting).toEqual(await cut(contentDefinedChunker({ maxTokens })));
});

test('boundaries are asked for once for a text and settings', async () => {
  let calls = 0;
  const losses: TokenLosses = {
    ...hashedLosses,
    lossesOf: (...all) => {
      calls++;
      return hashedLosses.lossesOf(...all);
    },
  };
  const entries = new Map<string, readonly number[]>();
  const cache = memoryBoundaryCache(entries);
  const make = (targetTokens: number) => perplexityChunker({ losses, targetTokens, cache });
  const first = await cut(make(8));
  expect(await cut(make(8))).toEqual(first);
  expect(calls).toBe(1);
  await cut(make(12));
  expect(calls).toBe(2);
  await cut(make(8), `${text} Six is here.`);
  expect(calls).toBe(3);
  // What a cache gives back is looked at.
  for (const key of entries.keys()) entries.set(key, [0, 3, 4, 2]);
  expect(await cut(make(8))).toEqual(first);
  expect(calls).toBe(4);
});

test.each<[string, TokenLosses['lossesOf']]>([
  ['fail', async () => Promise.reject(new Error('no model'))],
  ['are too few', async () => Float32Array.of(1)],
  ['are none', async (tokens) => new Float32Array(tokens.length).fill(NaN)],
])('a document whose losses %s is cut by its structure, and that is told', async (_, lossesOf) => {
  const notices: ChunkingNotice[] = [];
  const chunker = perplexityChunker({
    losses: { fingerprint: 'bad', lossesOf },
    maxTokens: 12,
    onNotice: (notice) => notices.push(notice),
  });
  expect(await cut(chunker)).toEqual(await cut(contentDefinedChunker({ maxTokens: 12 })));
  expect(notices).toMatchObject([
    { kind: 'structural-fallback', documentId: 'd', start: 0, end: text.length },
  ]);
});

const longText = Array.from(
  { length: 900 },
  (_, i) => `Number ${i} stands for word${(i * 7919) % 97} here.`,
).join(' ');

test.each(['one part', 'everything'])(
  'a long document is asked about part by part where %s fails',
  async (fails) => {
    const notices: ChunkingNotice[] = [];
    const asked: number[] = [];
    const losses: TokenLosses = {
      fingerprint: 'shaky',
      lossesOf: async (tokens, sentences, options) => {
        asked.push(tokens.length);
        // The whole, and the second part.
        const isTold = asked.length === 1 || asked.length === 3;
        if (fails === 'everything' || isTold) throw new Error('busy');
        return hashedLosses.lossesOf(tokens, sentences, options);
      },
    };
    const cache = memoryBoundaryCache();
    const chunker = perplexityChunker({
      losses,
      maxTokens: 60,
      cache,
      onNotice: (notice) => notices.push(notice),
    });
    const chunks = await cut(chunker, longText);
    expect(chunks.join(' ')).toBe(longText);
    expect(notices[0]!.message).toContain('busy');
    if (fails === 'everything') {
      expect(asked).toHaveLength(3);
      expect(notices.at(-1)!.message).toContain('asked no more');
      expect(notices.at(-1)!.end).toBe(longText.length);
      return;
    }
    expect(notices).toHaveLength(1);
    expect(notices[0]!.end - notices[0]!.start).toBeLessThan(longText.length / 2);
    expect(asked.length).toBeGreaterThan(4);
    expect(asked.slice(1).reduce((sum, tokens) => sum + tokens)).toBe(asked[0]);
    const structural = await cut(contentDefinedChunker({ maxTokens: 60 }), longText);
    const same = new Set(structural);
    expect(chunks.some((chunk) => !same.has(chunk))).toBe(true);
  },
);

test('engine losses are those of one pass, whatever the windows, where all is seen', async () => {
  const engine = new FakeEngine();
  const { ids } = await engine.tokenizer.encode(
    'Some text of a few words, and a few more. '.repeat(4),
  );
  const sentences = [
    { start: 0, end: 60 },
    { start: 60, end: 100 },
    { start: 100, end: ids.length },
  ];
  await using arena = await engine.createArena({ cells: 256 });
  using sequence = arena.createSequence();
  await sequence.append(Int32Array.of(engine.tokenizer.bos), { logits: 'none' });
  const plain = await sequence.append(ids, { losses: true, logits: 'none' });
  const expected = plain.losses!.slice(0, -1);
  const close = (losses: Float32Array) => {
    expect(losses).toHaveLength(ids.length);
    expect(losses[0]).toBeNaN();
    for (const [i, loss] of expected.entries()) expect(losses[i + 1]).toBeCloseTo(loss, 4);
  };
  close(await engineLosses({ engine }).lossesOf(ids, sentences));
  const carried = { kind: 'carried', batchTokens: 37 } as const;
  close(await engineLosses({ engine, windows: carried }).lossesOf(ids, sentences));
  // With less kept, later tokens see less; the first pass is the same.
  const trimmed = await engineLosses({
    engine,
    windows: { ...carried, keepTokens: 20 },
  }).lossesOf(ids, sentences);
  expect([...trimmed].slice(1).every(Number.isFinite)).toBe(true);
  expect(trimmed[20]).toBeCloseTo(expected[19]!, 4);
  expect(Math.abs(trimmed[120]! - expected[119]!)).toBeGreaterThan(1e-4);
});

test('options out of range are refused', () => {
  const losses = hashedLosses;
  expect(() => perplexityChunker({ losses, maxTokens: 20, targetTokens: 21 })).toThrow(
    InvalidArgumentError,
  );
  expect(() => perplexityChunker({ losses, threshold: NaN })).toThrow(InvalidArgumentError);
  expect(() => perplexityChunker({ losses, threshold: { dynamic: -1 } })).toThrow(
    InvalidArgumentError,
  );
  expect(() =>
    engineLosses({ engine: new FakeEngine(), windows: { kind: 'carried', batchTokens: 0 } }),
  ).toThrow(InvalidArgumentError);
});
