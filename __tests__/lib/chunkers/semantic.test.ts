import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { newNetwork, weightsOf } from '../../../bench/segmenter/network.js';
import { bestSegmentation } from '../../../lib/chunkers/segmentation-dp.js';
import {
  type Chunker,
  type ChunkingNotice,
  chunkDocument,
  clusterChunker,
  contentDefinedChunker,
  type Embedder,
  headingIntents,
  intentChunker,
  type IntentSource,
  type LanguageModel,
  modelIntents,
  type OnChunkingNotice,
  semanticChunker,
  tokenizeDocument,
  trainedChunker,
} from '../../../lib/index.js';
import { unitsOf } from '../../../lib/chunkers/units.js';
import { runSteps } from '../../../lib/pace.js';
import { chunkerConformance, seededInteger, seededRandom } from '../../../lib/testing/index.js';
import { randomDocuments } from '../../support/soak.js';
import { wordTokenizer } from '../../support/tokenizers.js';

/** Each word is a direction: texts are near each other by the words that they share. */
const bagOfWords: Embedder = {
  fingerprint: 'words',
  dimensions: 32,
  embed: async (texts, { signal }) => {
    signal?.throwIfAborted();
    return texts.map((text) => {
      const vector = new Float32Array(32);
      for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
        let hash = 7;
        for (let i = 0; i < word.length; i++) hash = (hash * 31 + word.charCodeAt(i)) >>> 0;
        vector[hash % 32] = (vector[hash % 32] as number) + 1;
      }
      return vector;
    });
  },
};

const fixedIntents: IntentSource = {
  name: 'fixed',
  intentsOf: async () => ['Do cats drink milk?', 'Do engines turn fast?'],
};

/** Fails for one batch of passages in eight, the same ones each time. */
const shaky: Embedder = {
  ...bagOfWords,
  embed: async (texts, options) => {
    const units = texts.reduce((sum, text) => sum + text.length, 0);
    if (options.kind === 'passage' && units % 8 === 0) throw new Error('busy');
    return bagOfWords.embed(texts, options);
  },
};

const makers: Record<string, () => Chunker> = {
  semantic: () => semanticChunker({ embedder: shaky, maxTokens: 40 }),
  cluster: () => clusterChunker({ embedder: shaky, maxTokens: 40, pieceTokens: 8 }),
  intent: () => intentChunker({ embedder: shaky, maxTokens: 40, intents: fixedIntents }),
};

for (const [name, chunker] of Object.entries(makers)) {
  describe(name, () => {
    chunkerConformance({
      test,
      chunker,
      tokenizer: wordTokenizer,
      maxTokens: 40,
      longLine: 10_000,
      ...randomDocuments(80),
    });
  });
}

const random = seededRandom(5);
const randomText = (sentences: number) =>
  Array.from({ length: sentences }, () => {
    const words = Array.from({ length: 6 }, () => `word${seededInteger(random, 50)}`);
    return `The ${words.join(' ')}.`;
  }).join(' ');

const cat = 'Cats drink milk. Milk makes cats happy. Happy cats drink milk.';
const engine = 'Engines turn fast wheels. Wheels of engines turn fast. Fast engines turn wheels.';
const cut = (text: string, chunker: Chunker) =>
  chunkDocument({ id: 'd', text }, { tokenizer: wordTokenizer(), chunker });

test('semantic cuts where the words change', async () => {
  const chunker = semanticChunker({ embedder: bagOfWords, cut: 80, buffer: 0 });
  const chunks = await cut(`${cat} ${engine}`, chunker);
  expect(chunks.map(({ text }) => text.trim())).toEqual([cat, engine]);
});

test('semantic hits a mean size', async () => {
  const text = randomText(60);
  for (const meanTokens of [20, 60]) {
    const chunks = await cut(text, semanticChunker({ embedder: bagOfWords, cut: { meanTokens } }));
    const tokens = chunks.reduce((sum, chunk) => sum + chunk.tokens.length, 0);
    expect(tokens / chunks.length).toBeGreaterThan(meanTokens * 0.7);
    expect(tokens / chunks.length).toBeLessThan(meanTokens * 1.4);
  }
});

test('cluster joins pieces that are alike', async () => {
  const chunker = clusterChunker({ embedder: bagOfWords, maxTokens: 60, pieceTokens: 10 });
  const chunks = await cut(`${cat} ${engine}`, chunker);
  expect(chunks.map(({ text }) => text.trim())).toEqual([cat, engine]);
});

const chunkerOf = (intents: IntentSource, onFallback?: (reason: string) => void) =>
  intentChunker({
    embedder: bagOfWords,
    intents,
    beta: 0.3,
    ...(onFallback && { onFallback }),
  });

const says = (...answers: string[]): LanguageModel & { readonly asked: string[] } => {
  const asked: string[] = [];
  return {
    name: 'scripted',
    asked,
    generate: async ({ prompt }) => {
      asked.push(prompt);
      const text = answers[asked.length - 1] ?? '';
      return { text, finishReason: 'stop', usage: { promptTokens: 0, generatedTokens: 0 } };
    },
  };
};

const embed = async (texts: readonly string[]) =>
  (await bagOfWords.embed(texts, { kind: 'passage' })).map((vector) => {
    const length = Math.hypot(...vector);
    return Array.from(vector, (value) => value / length);
  });

describe('intent', () => {
  test('each chunk answers its question', async () => {
    const chunks = await cut(
      `${cat} ${engine}`,
      intentChunker({
        embedder: bagOfWords,
        intents: fixedIntents,
        beta: { meanTokens: 16.5 },
        objective: { mode: 'paper', lambda: 0.05 },
      }),
    );
    expect(chunks.map(({ text }) => text.trim())).toEqual([cat, engine]);
    expect(chunks.map(({ metadata }) => metadata?.['intent'])).toEqual([
      'Do cats drink milk?',
      'Do engines turn fast?',
    ]);
  });

  test('a mean size is found, in both objectives', async () => {
    const text = randomText(80);
    for (const objective of [
      { mode: 'paper', lambda: 0.0005 },
      { mode: 'code', lambda: 0.05, coherence: 0.1 },
    ] as const) {
      const chunks = await cut(
        text,
        intentChunker({ embedder: bagOfWords, objective, beta: { meanTokens: 40 } }),
      );
      const tokens = chunks.reduce((sum, chunk) => sum + chunk.tokens.length, 0);
      expect(Math.abs(tokens / chunks.length - 40)).toBeLessThan(8);
    }
  });

  test('the worth of a chunk is the sum of its parts, as the paper has it', async () => {
    const text = `${cat} ${engine} ${cat}`;
    const sentences = text.match(/[^.]+\./g) as string[];
    const questions = await fixedIntents.intentsOf({} as never, {} as never, { count: 2 });
    const rows = await embed(sentences.map((sentence) => sentence.trim()));
    const asked = await embed(questions);
    const worth = (from: number, to: number) => {
      const mean = rows[0]!.map((_, k) =>
        rows.slice(from, to).reduce((sum, row) => sum + row[k]!, 0),
      );
      const length = Math.hypot(...mean);
      const cosines = asked.map(
        (q) => q.reduce((sum, value, k) => sum + value * mean[k]!, 0) / length,
      );
      return Math.max(...cosines) - 0.0005 * (to - from) ** 2 - 0.3;
    };
    // All 2^8 segmentations.
    let best = -Infinity;
    let bestBorders: number[] = [];
    for (let bits = 0; bits < 2 ** (rows.length - 1); bits++) {
      const borders = [0, ...rows.keys()].filter(
        (i, at) => at === 0 || (i > 0 && (bits >> (i - 1)) & 1),
      );
      const sum = borders.reduce(
        (total, from, i) => total + worth(from, borders[i + 1] ?? rows.length),
        0,
      );
      if (sum > best + 1e-9) {
        best = sum;
        bestBorders = borders;
      }
    }
    const chunks = await cut(text, chunkerOf(fixedIntents));
    const starts = chunks.map(({ start }) => text.slice(0, start).split('.').length - 1);
    expect(starts).toEqual(bestBorders);
  });

  test('a model is asked in rounds, and what is no question or said before is dropped', async () => {
    const model = says(
      '1. What does the cat drink?\nHere are more:\n- How fast is the engine?',
      'What does the cat drink now?\nWhy do wheels turn?\n',
    );
    const found = await modelIntents({ model }).intentsOf(
      {
        id: 'd',
        text: `${cat} ${engine}`,
        tokens: { ids: new Int32Array(0), starts: Int32Array.of(0) },
      },
      {} as never,
      { count: 4 },
    );
    expect(found).toEqual([
      'What does the cat drink?',
      'How fast is the engine?',
      'Why do wheels turn?',
    ]);
    expect(model.asked[1]).toContain('How fast is the engine?');
    expect(model.asked).toHaveLength(4);
  });

  test('a round of questions that fails costs its questions; after two in a row there are no more', async () => {
    const document = await tokenizeDocument({ id: 'd', text: `${cat} ${engine}` }, wordTokenizer());
    const good = says('What does the cat drink?', 'How fast is the engine?');
    let calls = 0;
    const shaky: LanguageModel = {
      name: 'shaky',
      generate: async (request) => {
        if (++calls === 2) throw new Error('busy');
        return good.generate(request);
      },
    };
    const failures: unknown[] = [];
    const onFailure = (cause: unknown) => void failures.push(cause);
    const intents = modelIntents({ model: shaky, attempts: 1, onFailure });
    expect(await intents.intentsOf(document, {} as never, { count: 4 })).toEqual([
      'What does the cat drink?',
      'How fast is the engine?',
    ]);
    expect(failures).toEqual([expect.objectContaining({ message: 'busy' })]);

    const asked: unknown[] = [];
    const down: LanguageModel = {
      name: 'down',
      generate: async (request) => {
        asked.push(request);
        throw new Error('down');
      },
    };
    const never = modelIntents({ model: down, attempts: 1 });
    await expect(never.intentsOf(document, {} as never, { count: 4 })).rejects.toThrow('down');
    expect(asked).toHaveLength(2);
  });

  test('nonsense, silence and failure fall back, and are told', async () => {
    const text = `${cat} ${engine}`;
    const plain = await cut(text, contentDefinedChunker({ maxTokens: 400 }));
    const failing: LanguageModel = {
      name: 'broken',
      generate: async () => Promise.reject(new Error('timed out')),
    };
    for (const [model, reason] of [
      [says('blah blah'), /found no question/],
      [failing, /timed out/],
    ] as const) {
      const reasons: string[] = [];
      const chunker = chunkerOf(modelIntents({ model }), (told) => reasons.push(told));
      expect((await cut(text, chunker)).map((chunk) => chunk.text)).toEqual(
        plain.map((chunk) => chunk.text),
      );
      expect(reasons).toEqual([expect.stringMatching(reason)]);
    }
  });

  test('without a model, headings and repeated phrases are asked for', async () => {
    const text = `# Milk\n\n${cat}\n\n# Wheels\n\n${engine}\n`;
    const document = await tokenizeDocument({ id: 'd', text }, wordTokenizer());
    const units = await runSteps(unitsOf(document, 100));
    const found = await headingIntents.intentsOf(document, units, { count: 5 });
    expect(found.slice(0, 2)).toEqual(['What is said about Milk?', 'What is said about Wheels?']);
    expect(found.length).toBeGreaterThan(2);
    expect(found.join('\n')).toMatch(/cat|engine/);
    const chunks = await cut(text, chunkerOf(headingIntents));
    for (const { metadata } of chunks) expect(metadata?.['intent']).toMatch(/^What is said about/);
  });
});

describe('an embedder that fails', () => {
  const text = randomText(300);
  const failing = (fails: (call: number) => boolean) => {
    const calls: number[] = [];
    const embedder: Embedder = {
      ...bagOfWords,
      embed: async (texts, options) => {
        if (options.kind === 'query') return bagOfWords.embed(texts, options);
        calls.push(texts.length);
        if (fails(calls.length)) throw new Error('busy');
        return bagOfWords.embed(texts, options);
      },
    };
    return { embedder, calls };
  };
  const network = newNetwork(bagOfWords.dimensions, 7, 4);
  const weights = weightsOf(network, bagOfWords.fingerprint);
  const kinds: Record<string, (embedder: Embedder, onNotice: OnChunkingNotice) => Chunker> = {
    semantic: (embedder, onNotice) => semanticChunker({ embedder, onNotice, maxTokens: 60 }),
    cluster: (embedder, onNotice) =>
      clusterChunker({ embedder, onNotice, maxTokens: 60, pieceTokens: 10 }),
    trained: (embedder, onNotice) => trainedChunker({ embedder, weights, onNotice, maxTokens: 60 }),
    intent: (embedder, onNotice) =>
      intentChunker({
        embedder,
        intents: fixedIntents,
        maxTokens: 60,
        onFallback: (message) =>
          onNotice({ kind: 'structural-fallback', documentId: 'd', start: 0, end: 1, message }),
      }),
  };

  test.each(Object.keys(kinds))('once costs %s a part', async (kind) => {
    const notices: ChunkingNotice[] = [];
    const { embedder, calls } = failing((call) => call === 2);
    const chunks = await cut(
      text,
      kinds[kind]!(embedder, (notice) => notices.push(notice)),
    );
    expect(chunks.map((chunk) => chunk.text.trim()).join(' ') === text).toBe(true);
    expect(Math.max(...chunks.map(({ tokens }) => tokens.length))).toBeLessThanOrEqual(60);
    expect(calls.length).toBeGreaterThan(3);
    expect(notices).toHaveLength(1);
    expect(notices[0]!.message).toContain('busy');
    if (kind === 'intent') return;
    const { start, end } = notices[0]!;
    expect(end - start).toBeLessThan(text.length / 3);
    // The part is cut as its structure says.
    const within = text.slice(start, end);
    const plain = await cut(within, contentDefinedChunker({ maxTokens: 60 }));
    const own = chunks.filter((chunk) => chunk.start >= start && chunk.end <= end);
    expect(own.at(0)!.start).toBe(start);
    if (kind !== 'cluster') {
      expect(own.map((chunk) => chunk.text.trim())).toEqual(
        plain.map((chunk) => chunk.text.trim()),
      );
    }
  });

  test.each(Object.keys(kinds))('always is asked no more than twice by %s', async (kind) => {
    const notices: ChunkingNotice[] = [];
    const { embedder, calls } = failing(() => true);
    const chunks = await cut(
      text,
      kinds[kind]!(embedder, (notice) => notices.push(notice)),
    );
    expect(chunks.map((chunk) => chunk.text.trim()).join(' ') === text).toBe(true);
    expect(calls).toHaveLength(2);
    expect(notices).toHaveLength(3);
    if (kind === 'intent') return;
    expect(notices.at(-1)!.message).toContain('asked no more');
    expect(notices.at(-1)!.end).toBe(text.length);
    if (kind === 'cluster') return;
    const plain = await cut(text, contentDefinedChunker({ maxTokens: 60 }));
    expect(chunks.map((chunk) => chunk.text)).toEqual(plain.map((chunk) => chunk.text));
  });

  test('is not put up with where the run is aborted', async () => {
    const reason = new Error('stop');
    const stop = new AbortController();
    const { embedder } = failing(() => {
      stop.abort(reason);
      return true;
    });
    const { signal } = stop;
    const chunker = semanticChunker({ embedder });
    await expect(
      chunkDocument({ id: 'd', text }, { tokenizer: wordTokenizer(), chunker, signal }),
    ).rejects.toBe(reason);
  });
});

test('vectors that are none are refused', async () => {
  const broken: Embedder = { ...bagOfWords, embed: async () => [new Float32Array(3)] };
  await expect(cut(cat, semanticChunker({ embedder: broken }))).rejects.toThrow(
    /broke its contract/,
  );
  const infinite: Embedder = {
    ...bagOfWords,
    embed: async (texts) => texts.map(() => new Float32Array(32).fill(Number.NaN)),
  };
  await expect(cut(cat, clusterChunker({ embedder: infinite }))).rejects.toThrow(
    /broke its contract/,
  );
});

test('the best segmentation is the best of all', async () => {
  const scores = fc.array(
    fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 9, maxLength: 9 }),
    {
      minLength: 1,
      maxLength: 9,
    },
  );
  await fc.assert(
    fc.asyncProperty(scores, fc.integer({ min: 1, max: 5 }), async (table, maxUnits) => {
      const size = table.length;
      const score = (from: number, to: number) => table[from]?.[to - from - 1] ?? 0;
      const sumOf = (borders: readonly number[]) =>
        borders.reduce((sum, from, i) => sum + score(from, borders[i + 1] ?? size), 0);
      const found = await runSteps(
        bestSegmentation({
          starts: Int32Array.from({ length: size + 1 }, (_, i) => i),
          maxUnits,
          maxTokens: size,
          score,
        }),
      );
      let best = -Infinity;
      for (let bits = 0; bits < 2 ** (size - 1); bits++) {
        const borders = Array.from({ length: size }, (_, i) => i).filter(
          (i) => i === 0 || (bits >> (i - 1)) & 1,
        );
        const fits = borders.every((from, i) => (borders[i + 1] ?? size) - from <= maxUnits);
        if (fits) best = Math.max(best, sumOf(borders));
      }
      expect(sumOf(found)).toBe(best);
    }),
  );
});

test('options out of range are refused', () => {
  const embedder = bagOfWords;
  expect(() => semanticChunker({ embedder, cut: 100 })).toThrow(/percentile/);
  expect(() => semanticChunker({ embedder, buffer: -1 })).toThrow(/buffer/);
  expect(() => clusterChunker({ embedder, pieceTokens: 1 })).toThrow(/maxTokens/);
  expect(() => intentChunker({ embedder, maxSentences: 0 })).toThrow(/maxSentences/);
  expect(() => intentChunker({ embedder, beta: Number.NaN })).toThrow(/beta/);
});
