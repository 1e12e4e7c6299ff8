import { describe, expect, test } from '@jest/globals';
import type { Embedder, TokenLosses } from '../../../../lib/index.js';
import { engineLosses, InvalidArgumentError } from '../../../../lib/index.js';
import {
  boundaryClarity,
  chunkScore,
  chunkStickiness,
  semanticDispersion,
} from '../../../../lib/evaluate/index.js';
import { FakeEngine } from '../../../../lib/testing/index.js';

/** Chunks of two tokens: 10 and 11, 20 and 21, and so on. */
const chunksOf = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    text: `chunk ${i}`,
    tokens: Int32Array.of(10 * (i + 1), 10 * (i + 1) + 1),
  }));

/** A model to which a chunk costs 2 nats a token by itself, and 2 plus the log of a ratio after another. */
function scripted(ratioOf: (from: number, to: number) => number) {
  const calls: number[][] = [];
  const losses: TokenLosses = {
    fingerprint: 'scripted',
    lossesOf: async (tokens, sentences) => {
      calls.push([...tokens]);
      expect(sentences).toEqual([{ start: 0, end: tokens.length }]);
      const from = Math.floor(tokens[0]! / 10) - 1;
      return Float32Array.from(tokens, (token, i) => {
        const to = Math.floor(token / 10) - 1;
        if (i === 0) return NaN;
        // By itself a second token is harder than a first one, which only a context lets have a loss.
        if (from < 0) return token % 10 === 0 ? 1 : 3;
        return 2 + (to === from ? 0 : Math.log(ratioOf(from, to)));
      });
    },
  };
  return { losses, calls };
}

const meanOf = (list: Float32Array) => list.reduce((sum, value) => sum + value, 0) / list.length;

describe('boundary clarity', () => {
  test('is the ratio of perplexities, by hand', async () => {
    const { losses, calls } = scripted((from) => [0.5, 0.25][from]!);
    const { borders, mean } = await boundaryClarity(chunksOf(3), { losses });
    expect(borders[0]).toBeCloseTo(0.5, 6);
    expect(borders[1]).toBeCloseTo(0.25, 6);
    expect(mean).toBeCloseTo(0.375, 6);
    expect(calls).toEqual([
      [20, 21],
      [10, 11, 20, 21],
      [30, 31],
      [20, 21, 30, 31],
    ]);
  });

  test("of the authors' program is the ratio of mean losses, each chunk after a space", async () => {
    const { losses, calls } = scripted(() => 0.5);
    const { mean } = await boundaryClarity(chunksOf(2), {
      losses,
      form: 'code',
      emptyContext: Int32Array.of(1),
    });
    // 1 and 3 by itself, a mean of 2.
    expect(mean).toBeCloseTo((2 - Math.LN2) / 2, 6);
    expect(calls[0]).toEqual([1, 20, 21]);
  });

  test('of one chunk is 1, and a chunk without a loss is refused', async () => {
    const { losses } = scripted(() => 1);
    expect(await boundaryClarity(chunksOf(1), { losses })).toEqual({
      mean: 1,
      borders: new Float64Array(),
    });
    const short = [{ tokens: Int32Array.of(10) }, { tokens: Int32Array.of(20) }];
    await expect(boundaryClarity(short, { losses })).rejects.toThrow(InvalidArgumentError);
    const bad: TokenLosses = { ...losses, lossesOf: async () => new Float32Array(1) };
    await expect(boundaryClarity(chunksOf(2), { losses: bad })).rejects.toThrow(/gave 1 losses/);
  });

  test('of text that is said again is low, whatever the length: an engine reads both in one go', async () => {
    const engine = new FakeEngine();
    const { ids } = await engine.tokenizer.encode('Some words of a text that goes on. '.repeat(6));
    const losses = engineLosses({
      engine,
      windows: { kind: 'segments', maxTokens: 24, minTokens: 12, overlap: 4 },
    });
    const chunks = [{ tokens: ids.slice(0, 40) }, { tokens: ids.slice(40, 80) }];
    const { borders } = await boundaryClarity(chunks, { losses });
    await using arena = await engine.createArena({ cells: 256 });
    using alone = arena.createSequence();
    using after = arena.createSequence();
    const { bos } = engine.tokenizer;
    const one = await alone.append(Int32Array.of(bos, ...ids.slice(40, 80)), { losses: true });
    const two = await after.append(Int32Array.of(bos, ...ids.slice(0, 80)), { losses: true });
    // The first token has no loss by itself.
    const expected = Math.exp(meanOf(two.losses!.slice(41, 80)) - meanOf(one.losses!.slice(1, 40)));
    expect(borders[0]).toBeCloseTo(expected, 4);
  });
});

/** The second chunk needs the first one, the third the second; no other pair has to do with each other. */
const needs = (from: number, to: number) => (to === from + 1 ? 0.1 : 0.9);

const stickiness = (options: Omit<Parameters<typeof chunkStickiness>[1], 'losses'> = {}) =>
  chunkStickiness(chunksOf(3), { losses: scripted(needs).losses, ...options });

describe('chunk stickiness', () => {
  test.each<[string, Parameters<typeof stickiness>[0], number, number]>([
    // Degrees 1, 2, 1 of 4.
    ['needed pairs are kept', {}, 2, 1.5],
    ['later chunks only', { graph: 'sequence' }, 2, 1.5],
    ['further than delta', { graph: 'sequence', delta: 1 }, 0, 0],
    // 1 to 3, 2 to 1, 3 to 1, 3 to 2: degrees 3, 2, 3 of 8.
    ['in the program the independent ones', { form: 'code' }, 4, 1.5612781244591325],
    // 1 to 3 alone.
    ['in the program, later ones', { form: 'code', graph: 'sequence' }, 1, 1],
    // Neighbours get 1.6 / 2 more, so they are kept too: degrees 4, 4, 4 of 12.
    ['in the program, distance counts', { form: 'code', delta: 1.6 }, 6, Math.log2(3)],
    ['nothing is above the threshold', { threshold: 0.95 }, 0, 0],
  ])('%s', async (_, options, edges, entropy) => {
    const found = await stickiness(options);
    expect(found.edges).toBe(edges);
    expect(found.entropy).toBeCloseTo(entropy, 9);
  });

  test('refuses what is no number, and stops when aborted', async () => {
    await expect(stickiness({ threshold: NaN })).rejects.toThrow(InvalidArgumentError);
    const reason = new Error('stop');
    await expect(stickiness({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('chunk score', () => {
  const root = Math.SQRT1_2;

  test.each<[string, number[][], number]>([
    ['one vector', [[1, 0]], Math.log(0.501)],
    [
      'opposite ones',
      [
        [root, -root],
        [-root, root],
      ],
      0.5 * Math.log(1.001 ** 2 - 1),
    ],
    [
      'ones at right angles',
      [
        [root, -root, 0],
        [1 / Math.sqrt(6), 1 / Math.sqrt(6), -2 / Math.sqrt(6)],
      ],
      Math.log(1.001),
    ],
    [
      'ones that are the same in every number',
      [
        [1, 1],
        [3, 3],
      ],
      Math.log(0.001),
    ],
    // Three in a plane: one direction has nothing but alpha. Eigenvalues of [[1, .5, .5], [.5, 1, -.5], [.5, -.5, 1]] + alpha.
    [
      'more of them than dimensions',
      [
        [root, -root, 0],
        [0, -root, root],
        [root, 0, -root],
      ],
      (2 * Math.log(1.501) + Math.log(0.001)) / 3,
    ],
  ])('dispersion of %s, by hand', (_, vectors, expected) => {
    expect(semanticDispersion(vectors)).toBeCloseTo(expected, 9);
  });

  test('is independence and dispersion, weighed', async () => {
    const embedder: Embedder = {
      fingerprint: 'told',
      dimensions: 2,
      embed: async (texts) =>
        texts.map((text) =>
          Float32Array.of(...(text === 'chunk 0' ? [root, -root] : [-root, root])),
        ),
    };
    const { losses } = scripted(() => 0.5);
    const told = { losses, embedder };
    const found = await chunkScore(chunksOf(2), told);
    const dispersion = 0.5 * Math.log(1.001 ** 2 - 1);
    expect(found.independence).toBeCloseTo(0.5, 6);
    expect(found.dispersion).toBeCloseTo(dispersion, 6);
    expect(found.score).toBeCloseTo(0.3 * 0.5 + 0.7 * dispersion, 6);
    expect((await chunkScore(chunksOf(2), { ...told, lambda: 1 })).score).toBeCloseTo(0.5, 6);
    await expect(chunkScore(chunksOf(2), { ...told, lambda: 2 })).rejects.toThrow(/0 to 1/);
    await expect(chunkScore([], told)).rejects.toThrow(InvalidArgumentError);
  });

  test('refuses vectors that are none', () => {
    expect(() => semanticDispersion([])).toThrow(InvalidArgumentError);
    expect(() => semanticDispersion([[1, NaN]])).toThrow(InvalidArgumentError);
    expect(() => semanticDispersion([[1, 0], [1]])).toThrow(InvalidArgumentError);
    expect(() => semanticDispersion([[1, 0]], 0)).toThrow(InvalidArgumentError);
  });
});
