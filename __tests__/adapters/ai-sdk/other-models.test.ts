import { expect, test } from '@jest/globals';
import { cosineSimilarity, embed, embedMany, rerank } from 'ai';
import {
  aiSdkLanguageModel,
  createChunkweave,
  engineModel,
} from '../../../adapters/ai-sdk/index.js';
import {
  createWeave,
  engineLanguageModel,
  InvalidArgumentError,
  queryLikelihoodReranker,
  SamplingError,
} from '../../../lib/index.js';
import { FakeEngine, HashingEmbedder } from '../../../lib/testing/index.js';

test('embeds: the vectors of the embedder, and its kind by option', async () => {
  const kinds: string[] = [];
  class Listening extends HashingEmbedder {
    override embed(...[texts, options]: Parameters<HashingEmbedder['embed']>) {
      kinds.push(options.kind);
      return super.embed(texts, options);
    }
  }
  const model = createChunkweave({ embedders: { mini: new Listening() } }).textEmbeddingModel(
    'mini',
  );
  const values = ['otters eat fish', 'the otters eat fish', 'pandas'];
  const { embeddings } = await embedMany({ model, values });
  const [a, b, c] = embeddings as [number[], number[], number[]];
  expect(cosineSimilarity(a, b)).toBeGreaterThan(cosineSimilarity(a, c));
  const [plain] = await new HashingEmbedder().embed(['pandas'], { kind: 'passage' });
  expect(c).toEqual(Array.from(plain as Float32Array));
  await embed({ model, value: 'x', providerOptions: { chunkweave: { kind: 'query' } } });
  expect(kinds).toEqual(['passage', 'query']);
  const wrong = embed({
    model,
    value: 'x',
    providerOptions: { chunkweave: { kind: 'other' } },
    maxRetries: 0,
  });
  await expect(wrong).rejects.toThrow(InvalidArgumentError);
});

test('reranks as the reranker does', async () => {
  const engine = new FakeEngine();
  await using weave = await createWeave({ engine });
  const reranker = queryLikelihoodReranker({ probe: weave.probe });
  const model = createChunkweave({
    rerankers: { likelihood: { reranker, tokenizer: engine.tokenizer } },
  }).rerankingModel('likelihood');
  const documents = ['Pandas eat bamboo.', 'Otters eat fish.', 'Rivers are long.'];
  const query = 'What do otters eat?';
  const { ranking } = await rerank({ model, documents, query });
  const candidates = await Promise.all(
    documents.map(async (text, i) => {
      const { ids: tokens } = await engine.tokenizer.encode(text);
      const chunk = {
        id: `c${i}`,
        documentId: `d${i}`,
        start: 0,
        end: text.length,
        text,
        tokens,
        tokenStart: 0,
      };
      return { chunk, score: 1 };
    }),
  );
  const expected = await reranker.rerank({ question: query, candidates });
  expect(ranking.map(({ document }) => document)).toEqual(expected.map(({ chunk }) => chunk.text));
  expect(ranking.map(({ score }) => score)).toEqual(expected.map(({ score }) => score));
  const best = await rerank({ model, documents, query, topN: 1 });
  expect(best.ranking).toHaveLength(1);
  const objects = await model.doRerank({
    documents: { type: 'object', values: [{ a: 1 }] },
    query,
  });
  expect(objects.warnings).toMatchObject([{ type: 'compatibility' }]);
  await expect(
    model.doRerank({ documents: { type: 'text', values: ['a', ' '] }, query }),
  ).rejects.toThrow(/Document 1/);
});

test('an AI SDK model is a LanguageModel, and gives what the engine behind it gives', async () => {
  const engine = new FakeEngine();
  const model = aiSdkLanguageModel({ model: engineModel(engine) });
  const direct = engineLanguageModel(engine);
  for (const request of [
    { prompt: 'Tell.', maxTokens: 6 },
    { system: 'Be brief.', prompt: 'Tell.', maxTokens: 9, temperature: 1, seed: 5 },
    { prompt: 'Is it?', grammar: 'root ::= "yes" | "no"' },
  ]) {
    expect(await model.generate(request)).toEqual(await direct.generate(request));
  }
  await expect(model.generate({ prompt: 'a', signal: AbortSignal.abort() })).rejects.toThrow(
    /abort/i,
  );
  const foreign = { ...engineModel(engine), provider: 'other' };
  const strict = aiSdkLanguageModel({ model: foreign, grammars: 'refuse' });
  await expect(strict.generate({ prompt: 'a', grammar: 'root ::= "a"' })).rejects.toThrow(
    SamplingError,
  );
  const asked = await aiSdkLanguageModel({ model: foreign }).generate({
    prompt: 'a',
    grammar: 'root ::= "a"',
    maxTokens: 3,
  });
  expect(asked.text).not.toBe('a');
});
