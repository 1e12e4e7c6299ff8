import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { GgmlEmbedder, loadEmbedder } from '../../../adapters/ggml/index.js';
import { TextTokens } from '../../../adapters/ggml/embedder/text-tokens.js';
import { callAsync } from '../../../adapters/ggml/native/ggml.js';
import { NO_DEVICES } from '../../../adapters/ggml/native/llama.js';
import { miniLm, miniLmReference } from '../../support/mini-lm.js';
import { runtime, scratch } from '../../support/native.js';
import { requantise } from '../../support/requantise.js';
import { cosine } from '../../support/tiny-bert.js';

const half = miniLm();
const quantised = join(scratch, 'all-minilm-l6-v2-q8_0.gguf');
if (half) await requantise(half, quantised);
const sentences = miniLmReference();

if (process.env['CI_MODEL_REQUIRED'] === '1') {
  test('a real embedder is at hand', () => expect(half).toBeDefined());
}

(half ? describe : describe.skip)('all-MiniLM-L6-v2', () => {
  const loaded: GgmlEmbedder[] = [];
  afterAll(() => Promise.all(loaded.map((embedder) => embedder.dispose())));
  const load = async (model: string | undefined): Promise<GgmlEmbedder> => {
    const embedder = await loadEmbedder({
      model: model as string,
      device: 'cpu',
      hashCache: join(scratch, 'hashes.json'),
    });
    loaded.push(embedder);
    return embedder;
  };

  test.each([
    ['f16', half, 0.999],
    ['q8_0', quantised, 0.98],
  ])('%s agrees with a plain forward pass', async (_, path, least) => {
    const embedder = await load(path);
    expect(embedder).toMatchObject({ dimensions: 384, sequenceLength: 256 });
    const texts = sentences.map(({ text }) => text);
    const together = await embedder.embed(texts, { kind: 'passage' });
    for (const [i, { text, vector }] of sentences.entries()) {
      const [alone] = await embedder.embed([text], { kind: 'query' });
      expect(cosine(together[i]!, vector)).toBeGreaterThan(least);
      expect(cosine(alone!, vector)).toBeGreaterThan(least);
    }
    const [dog, puppy, bank] = [6, 7, 8].map((i) => together[i]!);
    expect(cosine(dog!, puppy!)).toBeGreaterThan(cosine(dog!, bank!) + 0.3);
  });

  test('tokens are those of the reference', async () => {
    const { llama } = runtime();
    const params = llama.modelParams({ vocab_only: true, load_mode: 0, devices: NO_DEVICES });
    const model = await callAsync(llama.modelLoad, half as string, params);
    try {
      const tokens = new TextTokens(llama, llama.modelVocab(model!), half as string);
      for (const { text, tokenIds } of sentences) {
        const ids = [tokens.first, ...(await tokens.of(text)), tokens.last];
        expect(ids).toEqual(tokenIds);
      }
    } finally {
      llama.modelFree(model!);
    }
  });
});
