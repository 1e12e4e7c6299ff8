import { describe, expect, test } from '@jest/globals';
import { readGguf } from '../../../adapters/ggml/gguf.js';
import type { TinyModelOptions } from '../../../adapters/ggml/tiny-model/index.js';
import { ModelFileError } from '../../../lib/errors.js';
import { distance } from '../../support/logits.js';
import { compute, tinyFile } from '../../support/native.js';

const WINDOW = 8;
/** Several windows, so that what a layer sees matters. */
const LENGTH = 70;

const gemma = (windowPeriod: TinyModelOptions['windowPeriod']): TinyModelOptions => ({
  architecture: 'gemma3',
  layers: 7,
  width: 32,
  heads: 2,
  headDim: 32,
  window: WINDOW,
  windowPeriod: windowPeriod ?? null,
});

/** Logits of the same tokens by the engine and by llama.cpp (or its refusal), and what the engine says of the model. */
async function run(options: TinyModelOptions) {
  const path = await tinyFile(options);
  const own = await compute(path, { threads: 1, cells: 256 });
  try {
    const tokens = own.tokens(LENGTH);
    using sequence = own.arena.createSequence();
    const { logits } = await sequence.append(tokens, { logits: 'all' });
    const { hp, info } = own.arena.model;
    const theirs = await own
      .reference()
      .then((reference) => reference.decode(tokens, { logits: 'all' }))
      .catch((error: unknown) => error);
    return {
      path,
      info,
      slides: hp.slidingLayers.map(Number).join(''),
      ours: logits?.values as Float32Array,
      theirs,
      vocabSize: own.vocabSize,
    };
  } finally {
    await own.dispose();
  }
}

const yes = true;
const no = false;

describe('which layers of gemma3 slide is read as llama.cpp reads it', () => {
  test.each<[string, TinyModelOptions['windowPeriod'], string]>([
    ['a file that does not say', null, '1111101'],
    ['a period', 3, '1101101'],
    ['a period of 0', 0, '1111111'],
    ['a list', [no, yes, no, yes, yes, yes, no], '0101110'],
    ['a list that is the same for all layers', [yes, yes, yes, yes, yes, yes, yes], '1111111'],
  ])('%s', async (_name, period, expected) => {
    const { slides, info, ours, theirs } = await run(gemma(period));
    expect(slides).toBe(expected);
    expect(info.slidingWindow).toBe(WINDOW);
    expect(ours).toEqual(theirs);
  });

  test.each<[string, TinyModelOptions['windowPeriod']]>([
    ['a period of 1', 1],
    ['a list that names none', [no, no, no, no, no, no, no]],
  ])('with %s no layer slides, which llama.cpp ends the process for', async (_name, period) => {
    const found = await run(gemma(period));
    expect(found.slides).toBe('0000000');
    expect(found.info.slidingWindow).toBe(0);
    expect(found.theirs).toBeInstanceOf(ModelFileError);
    const without = await run({ ...gemma(1), window: 0 });
    expect(found.ours).toEqual(without.ours);
    expect(without.ours).toEqual(without.theirs);
  });

  test('a list for fewer layers than there are is no model', async () => {
    await expect(run(gemma([yes, no, yes]))).rejects.toThrow(ModelFileError);
  });
});

describe.each(['llama', 'qwen2', 'qwen3'] as const)('a window that a %s file names', (name) => {
  test('is ignored, as llama.cpp does, and the notes say so', async () => {
    const options = { architecture: name, layers: 3 };
    const named = await run({ ...options, window: WINDOW });
    const { values } = await readGguf(named.path);
    expect(values.get(`${name}.attention.sliding_window`)).toBe(WINDOW);
    expect(named.info.notes.join()).toMatch(`sliding window of ${WINDOW} tokens`);
    expect(named.info.slidingWindow).toBe(0);
    expect(named.ours).toEqual(named.theirs);
    const plain = await run(options);
    expect(plain.info.notes.join()).not.toMatch('window');
    expect(named.ours).toEqual(plain.ours);
  });
});

test('a window changes what gemma3 computes, so that the tests above can fail', async () => {
  const sliding = await run(gemma(null));
  const other = await run(gemma(3));
  expect(distance(sliding.ours, other.ours, sliding.vocabSize).kl).toBeGreaterThan(1e-3);
});
