import { describe, expect, test } from '@jest/globals';
import { newNetwork, weightsOf } from '../../../bench/segmenter/network.js';
import { joinsOf } from '../../../lib/chunkers/segmenter/joins.js';
import { loadWeights } from '../../../lib/chunkers/segmenter/weights.js';
import { minilmWeights } from '../../../lib/chunkers/segmenter/minilm-weights.js';
import {
  type Chunker,
  chunkDocument,
  type Embedder,
  InvalidArgumentError,
  type SegmenterWeights,
  trainedChunker,
} from '../../../lib/index.js';
import { runAtOnce } from '../../../lib/pace.js';
import { seededNormals, seededRandom } from '../../../lib/random.js';
import { chunkerConformance, HashingEmbedder } from '../../../lib/testing/index.js';
import { randomDocuments } from '../../support/soak.js';
import { wordTokenizer } from '../../support/tokenizers.js';

const embedder = new HashingEmbedder({ dimensions: 24 });
const network = newNetwork(embedder.dimensions, 7, 4);
const weights = weightsOf(network, embedder.fingerprint);

const makers: Record<string, () => Chunker> = {
  'trained, by size': () => trainedChunker({ embedder, weights, maxTokens: 40 }),
  'trained, by threshold': () => trainedChunker({ embedder, weights, maxTokens: 40, cut: 0.55 }),
};

for (const [number, [name, chunker]] of Object.entries(makers).entries()) {
  describe(name, () => {
    chunkerConformance({
      test,
      chunker,
      tokenizer: wordTokenizer,
      maxTokens: 40,
      longLine: 10_000,
      ...randomDocuments(40, number, 2),
    });
  });
}

test('what is computed is the formula over the four features', () => {
  const random = seededRandom(9);
  const d = embedder.dimensions;
  const count = 6;
  const values = new Float32Array(count * d);
  for (let i = 0; i < count; i++) {
    const vector = seededNormals(random, d, 1);
    const length = Math.hypot(...vector);
    values.set(
      vector.map((value) => value / length),
      i * d,
    );
  }
  const joins = runAtOnce(
    joinsOf({ count, dimensions: d, values }, loadWeights(weights, embedder)),
  );
  // Written anew from the published features, with the weights as they were before they became bytes.
  const { parameters, hidden } = network;
  for (let i = 0; i + 1 < count; i++) {
    const at = (row: number) =>
      Array.from(values.subarray(row * d, (row + 1) * d), (x) => x * Math.sqrt(d));
    const [x1, x2] = [at(i), at(i + 1)];
    const features = [
      ...x1,
      ...x2,
      ...x1.map((x, k) => x - (x2[k] as number)),
      ...x1.map((x, k) => x * (x2[k] as number)),
    ];
    let sum = parameters.at(-1) as number;
    for (let unit = 0; unit < hidden; unit++) {
      const row = parameters.subarray(unit * 4 * d, (unit + 1) * 4 * d);
      const bias = parameters[hidden * 4 * d + unit] as number;
      const inner = features.reduce((total, x, k) => total + x * (row[k] as number), bias);
      sum += Math.max(0, inner) * (parameters[hidden * (4 * d + 1) + unit] as number);
    }
    expect(Math.abs((joins[i] as number) - 1 / (1 + Math.exp(-sum)))).toBeLessThan(0.02);
  }
});

/** Belongs together what begins with the same word: the first number says which. */
const topics: Embedder = {
  fingerprint: 'topics',
  dimensions: 2,
  embed: async (texts) =>
    texts.map((text) => Float32Array.from(text.startsWith('Cats') ? [1, 0] : [0, 1])),
};
/** sigmoid(8 relu(x1 . x2) - 4). */
const sameTopic: SegmenterWeights = {
  version: 1,
  embedder: 'topics',
  dimensions: 2,
  hidden: 1,
  values: Buffer.from(Int8Array.from([0, 0, 0, 0, 100, 100]).buffer).toString('base64'),
  scales: [1, 1, 0.01],
  bias: [0],
  output: [8],
  outputBias: -4,
};
const text =
  'Cats drink milk. Cats sleep. Cats run. Engines turn fast. Engines stop. Engines rust.';
const cut = (chunker: Chunker, of = text) =>
  chunkDocument({ id: 'd', text: of }, { tokenizer: wordTokenizer(), chunker });

test('cuts where the topic changes, by threshold and by size', async () => {
  const both = [
    'Cats drink milk. Cats sleep. Cats run.',
    'Engines turn fast. Engines stop. Engines rust.',
  ];
  for (const how of [0.55, { meanTokens: 10 }]) {
    const chunks = await cut(trainedChunker({ embedder: topics, weights: sameTopic, cut: how }));
    expect(chunks.map((chunk) => chunk.text.trim())).toEqual(both);
  }
  const all = await cut(trainedChunker({ embedder: topics, weights: sameTopic, cut: 0 }));
  expect(all).toHaveLength(1);
});

test('sizes cost as much as evenness says', async () => {
  const sentences = Array.from({ length: 12 }, () => 'Cats drink milk.').join(' ');
  const sizesAt = async (evenness: number) =>
    (
      await cut(
        trainedChunker({ embedder: topics, weights: sameTopic, cut: { meanTokens: 12, evenness } }),
        sentences,
      )
    ).length;
  // A cut costs nearly 1: not worth it for nothing, worth it for sizes that are off by much.
  expect(await sizesAt(0)).toBe(1);
  expect(await sizesAt(10)).toBeGreaterThan(2);
});

test('weights are bound to their embedder', async () => {
  const other = new HashingEmbedder({ dimensions: 24 });
  Object.assign(other, { fingerprint: 'another' });
  expect(() => trainedChunker({ embedder: other, weights })).toThrow(InvalidArgumentError);
  // Those that ship are loaded when they are needed.
  await expect(cut(trainedChunker({ embedder: other }))).rejects.toThrow(minilmWeights.embedder);
});

test('damaged weights are refused', async () => {
  for (const damage of [
    { values: weights.values.slice(8) },
    { values: 'no base64 !' },
    { scales: weights.scales.slice(1) },
    { bias: weights.bias.map(() => NaN) },
  ]) {
    const chunker = trainedChunker({ embedder, weights: { ...weights, ...damage } });
    await expect(cut(chunker)).rejects.toThrow(InvalidArgumentError);
  }
  const newer = { ...weights, version: 2 } as unknown as SegmenterWeights;
  expect(() => trainedChunker({ embedder, weights: newer })).toThrow('version 2');
});

test('options out of range are refused', () => {
  for (const bad of [
    { cut: -0.1 },
    { cut: 2 },
    { cut: NaN },
    { cut: { meanTokens: 0 } },
    { cut: { meanTokens: 10, evenness: -1 } },
    { cut: { meanTokens: 10, evenness: Infinity } },
    { maxTokens: 3 },
  ]) {
    expect(() => trainedChunker({ embedder, weights, ...bad })).toThrow(InvalidArgumentError);
  }
});

test('the weights that ship are whole', () => {
  const { embedder: fingerprint, dimensions } = minilmWeights;
  const itsOwn: Embedder = { fingerprint, dimensions, embed: async () => [] };
  expect(loadWeights(minilmWeights, itsOwn).hidden).toBeGreaterThan(0);
});
