import { expect, test } from '@jest/globals';
import {
  type FeatureTensor,
  loadTransformersEmbedder,
  type TransformersEmbedderOptions,
  type TransformersModule,
} from '../../../adapters/transformers/index.js';
import { ComputeError, DisposedError, InvalidArgumentError } from '../../../lib/errors.js';

const dimensions = 8;
const passage = { kind: 'passage' } as const;

/** Direction that a text has by its characters alone. */
function directionOf(text: string, pooling: string): number[] {
  const vector = Array.from({ length: dimensions }, (_, i) => Math.sin(i + pooling.length));
  for (const [at, letter] of [...text].entries()) vector[at % dimensions]! += letter.charCodeAt(0);
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** A module of the packages' shape that notes what it is asked. */
function fake(spoil: (tensor: FeatureTensor) => FeatureTensor = (tensor) => tensor) {
  const noted = {
    loads: [] as unknown[][],
    batches: [] as string[][],
    disposed: 0,
    running: 0,
    most: 0,
  };
  const module: TransformersModule = {
    async pipeline(...args) {
      noted.loads.push(args);
      const extractor = async (
        texts: string[],
        { pooling, normalize }: { pooling: string; normalize: boolean },
      ): Promise<FeatureTensor> => {
        expect(normalize).toBe(true);
        noted.batches.push(texts);
        noted.most = Math.max(noted.most, ++noted.running);
        await new Promise((resolve) => setTimeout(resolve, 1));
        noted.running--;
        const data = Float32Array.from(texts.flatMap((text) => directionOf(text, pooling)));
        return spoil({ data, dims: [texts.length, dimensions] });
      };
      return Object.assign(extractor, {
        async dispose() {
          noted.disposed++;
        },
      });
    },
  };
  const load = (more: Partial<TransformersEmbedderOptions> = {}) =>
    loadTransformersEmbedder({ model: 'some/model', module, ...more });
  return { noted, load };
}

const reasonOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

test('texts go through the pipeline in batches, with the prefix of their kind, and come out in order', async () => {
  const { noted, load } = fake();
  await using embedder = await load({ batch: 4, prefixes: { query: 'q: ' }, pooling: 'cls' });
  expect(embedder.dimensions).toBe(dimensions);
  const texts = Array.from({ length: 10 }, (_, i) => `text ${i}`);
  noted.batches.length = 0;
  const vectors = await embedder.embed(texts, { kind: 'query' });
  expect(noted.batches.map(({ length }) => length)).toEqual([4, 4, 2]);
  for (const [i, vector] of vectors.entries()) {
    expect([...vector]).toEqual(directionOf(`q: text ${i}`, 'cls').map(Math.fround));
  }
  const [plain] = await embedder.embed(['text 0'], passage);
  expect([...plain!]).toEqual(directionOf('text 0', 'cls').map(Math.fround));
  expect(await embedder.embed([], passage)).toEqual([]);
});

test('both packages understand what the model is loaded by', async () => {
  const { noted, load } = fake();
  await (await load({ dtype: 'fp32', revision: 'abc', localOnly: true })).dispose();
  expect(noted.loads).toEqual([
    [
      'feature-extraction',
      'some/model',
      { dtype: 'fp32', quantized: false, revision: 'abc', local_files_only: true },
    ],
  ]);
});

test('the fingerprint changes with all that vectors depend on', async () => {
  const { load } = fake();
  const all = await Promise.all(
    [
      {},
      { model: 'other' },
      { dtype: 'fp16' },
      { revision: 'x' },
      { pooling: 'cls' as const },
      { prefixes: { query: 'a' } },
      { prefixes: { passage: 'a' } },
    ].map(async (more) => (await load(more)).fingerprint),
  );
  expect(new Set(all).size).toBe(all.length);
  expect((await load({ batch: 3 })).fingerprint).toBe(all[0]);
});

test('calls take turns, an abort ends one of them, disposal all', async () => {
  const { noted, load } = fake();
  const embedder = await load({ batch: 1 });
  const controller = new AbortController();
  const many = Array.from({ length: 50 }, (_, i) => `${i}`);
  const aborted = reasonOf(embedder.embed(many, { ...passage, signal: controller.signal }));
  const beside = embedder.embed(['a', 'b'], passage);
  await embedder.embed(['c'], passage);
  controller.abort(new Error('enough'));
  expect(await aborted).toEqual(new Error('enough'));
  expect(await beside).toHaveLength(2);
  const last = reasonOf(embedder.embed(many, passage));
  await Promise.all([embedder.dispose(), embedder.dispose()]);
  expect(await last).toBeInstanceOf(DisposedError);
  expect(await reasonOf(embedder.embed(['a'], passage))).toBeInstanceOf(DisposedError);
  expect(noted).toMatchObject({ disposed: 1, most: 1 });
});

test('bad arguments are refused', async () => {
  const { load } = fake();
  for (const more of [
    { model: '' },
    { pooling: 'max' as unknown as 'cls' },
    { batch: 0 },
    { batch: 1.5 },
    { prefixes: { query: 1 as unknown as string } },
  ]) {
    expect(await reasonOf(load(more))).toBeInstanceOf(InvalidArgumentError);
  }
  const embedder = await load();
  const odd = embedder.embed(['a'], { kind: 'x' as unknown as 'query' });
  expect(await reasonOf(odd)).toBeInstanceOf(InvalidArgumentError);
  const number = embedder.embed([1 as unknown as string], passage);
  expect(await reasonOf(number)).toBeInstanceOf(InvalidArgumentError);
  const signal = AbortSignal.abort(new Error('no'));
  expect(await reasonOf(load({ signal }))).toEqual(new Error('no'));
});

test.each<[string, (tensor: FeatureTensor) => FeatureTensor]>([
  ['one vector too few', ({ data, dims }) => ({ data, dims: [dims[0]! - 1, dims[1]!] })],
  ['vectors of tokens', ({ data, dims }) => ({ data, dims: [dims[0]!, 1, dims[1]!] })],
  ['no numbers', ({ data, dims }) => ({ data: Array.from(data, () => Number.NaN), dims })],
  ['zeros', ({ data, dims }) => ({ data: Array.from(data, () => 0), dims })],
  ['no elements', () => ({ data: [], dims: [1, 0] })],
])('a model that gives %s is refused and disposed', async (_, spoil) => {
  const { noted, load } = fake(spoil);
  expect(await reasonOf(load())).toBeInstanceOf(ComputeError);
  expect(noted.disposed).toBe(1);
});
