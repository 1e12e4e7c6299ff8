import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { generateObject, generateText, jsonSchema, streamText, wrapLanguageModel } from 'ai';
import {
  createChunkweave,
  engineModel,
  retrievalMiddleware,
  weaveMiddleware,
  weaveModel,
} from '../../../adapters/ai-sdk/index.js';
import { bm25Retriever, createWeave, type Weave } from '../../../lib/index.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import { ScriptedEngine } from '../../support/scripted-engine.js';

globalThis.AI_SDK_LOG_WARNINGS = false;

const documents = [
  { id: 'otters', text: 'Otters eat fish. They live at rivers and at the coast.', title: 'Otters' },
  {
    id: 'pandas',
    text: 'Pandas eat bamboo. They live in forests.',
    source: 'https://example.org/pandas',
  },
];
const engine = new ScriptedEngine(['They eat fish.']);
const retriever = bm25Retriever();
let weave: Weave;
beforeAll(async () => {
  weave = await createWeave({ engine, retriever });
  await weave.ingest(documents);
});
afterAll(() => weave.dispose());

test('answers from woven passages: sources, cached tokens, timings', async () => {
  const model = createChunkweave({ models: { docs: weave } })('docs');
  const { text, sources, usage, providerMetadata, warnings } = await generateText({
    model,
    prompt: 'What do otters eat?',
    providerOptions: { chunkweave: { topK: 1 } },
  });
  expect(text).toBe('They eat fish.');
  expect(sources).toMatchObject([{ sourceType: 'document', title: 'Otters' }]);
  const asked = await weave.ask('What do otters eat?', { topK: 1 });
  expect(usage.inputTokens).toBe(asked.usage.prompt);
  expect(usage.inputTokenDetails.cacheReadTokens).toBe(asked.usage.cached);
  expect(usage.inputTokenDetails.noCacheTokens).toBe(asked.usage.recomputed + asked.usage.fresh);
  expect(asked.usage.cached).toBeGreaterThan(0);
  expect(providerMetadata?.['chunkweave']).toMatchObject({
    usage: asked.usage,
    reuse: 'woven',
    timings: { total: expect.any(Number) },
    sources: [{ documentId: 'otters', number: 1, cached: true }],
  });
  expect(warnings).toEqual([]);
});

test('streams sources before text, with pages as URLs; what a weave does not take is warned of', async () => {
  const stream = streamText({
    model: weaveModel(weave),
    system: 'Rhyme.',
    messages: [
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'Hi' },
      { role: 'user', content: 'What do pandas eat?' },
    ],
    tools: {},
  });
  const types: string[] = [];
  for await (const part of stream.fullStream) types.push(part.type);
  expect(types.indexOf('source')).toBeLessThan(types.indexOf('text-delta'));
  expect(await stream.sources).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ sourceType: 'url', url: 'https://example.org/pandas' }),
    ]),
  );
  const features = ((await stream.warnings) ?? []).map((one) =>
    'feature' in one ? one.feature : one.type,
  );
  expect(features).toEqual(['system message']);
});

test('a conversation goes on where its earlier turns stand', async () => {
  const model = weaveModel(weave);
  const ask = async (...messages: { role: 'user' | 'assistant'; content: string }[]) => {
    const { usage, warnings, providerMetadata } = await generateText({ model, messages });
    return { ...usage, warnings, told: providerMetadata?.['chunkweave'] };
  };
  const first = { role: 'user' as const, content: 'What do otters eat?' };
  const said = { role: 'assistant' as const, content: ' They eat fish.\n' };
  const next = { role: 'user' as const, content: 'And where do they live?' };
  const begun = await ask(first);
  const followed = await ask(first, said, next);
  expect(followed.warnings).toEqual([]);
  const { inputTokenDetails: details, inputTokens } = followed;
  expect(details.cacheReadTokens).toBeGreaterThanOrEqual(begun.inputTokens ?? Infinity);
  expect(inputTokens).toBe((details.cacheReadTokens ?? 0) + (details.noCacheTokens ?? 0));
  // One that was not answered here is computed, and answered all the same.
  const elsewhere = await ask(first, { ...said, content: 'Crabs.' }, next);
  expect(elsewhere.inputTokenDetails.cacheReadTokens).toBeLessThan(details.cacheReadTokens ?? 0);
  expect(elsewhere.warnings).toEqual([]);
  // Roles that do not alternate are no conversation.
  const odd = await ask(said, next);
  expect(odd.warnings).toMatchObject([{ feature: 'earlier turns' }]);
});

test('JSON by grammar from a weave; nothing found is a reason of its own', async () => {
  const scripted = new ScriptedEngine(['{"food": "fish"}']);
  await using other = await createWeave({ engine: scripted });
  await other.ingest(documents);
  const schema = jsonSchema<{ food: string }>({
    type: 'object',
    properties: { food: { type: 'string' } },
    required: ['food'],
  });
  const { object } = await generateObject({
    model: weaveModel(other),
    schema,
    prompt: 'What do otters eat?',
  });
  expect(object).toEqual({ food: 'fish' });
  expect(scripted.asked.at(-1)?.grammar).toContain('food');
  const nothing = await generateText({ model: weaveModel(other), prompt: 'Zebra quantum?' });
  expect(nothing).toMatchObject({
    text: '',
    finishReason: 'other',
    rawFinishReason: 'nothing-found',
  });
});

test('weaveMiddleware: the weave answers what it can, the wrapped model the rest', async () => {
  const model = wrapLanguageModel({
    model: engineModel(new ScriptedEngine(['From the model.'])),
    middleware: weaveMiddleware({ weave }),
  });
  const woven = await generateText({ model, prompt: 'What do otters eat?' });
  expect(woven.text).toBe('They eat fish.');
  expect(woven.sources).not.toEqual([]);
  expect(await streamText({ model, prompt: 'What do otters eat?' }).text).toBe('They eat fish.');
  expect((await generateText({ model, prompt: 'Zebra quantum?' })).text).toBe('From the model.');
  expect(await streamText({ model, prompt: 'Zebra quantum?' }).text).toBe('From the model.');
  const strict = wrapLanguageModel({
    model: engineModel(new ScriptedEngine(['From the model.'])),
    middleware: weaveMiddleware({ weave, whenNothingFound: 'empty' }),
  });
  expect((await generateText({ model: strict, prompt: 'Zebra quantum?' })).text).toBe('');
});

test('retrievalMiddleware: any model gets the passages, in one order whatever their rank', async () => {
  const plain = engineModel(new FakeEngine());
  const prompts: string[] = [];
  const model = wrapLanguageModel({
    model: {
      ...plain,
      doGenerate: (call) => {
        const last = call.prompt.at(-1);
        if (last?.role === 'user') {
          prompts.push(
            last.content.map((part) => (part.type === 'text' ? part.text : '')).join('|'),
          );
        }
        return plain.doGenerate(call);
      },
    },
    middleware: retrievalMiddleware({ retriever, topK: 2 }),
  });
  const ask = (prompt: string) => generateText({ model, prompt, maxOutputTokens: 1 });
  await ask('pandas eat bamboo, otters?');
  await ask('otters eat fish, pandas?');
  const [first, second] = prompts.map((text) => text.split('|'));
  expect(first?.[0]).toBe(second?.[0]);
  expect(first?.[0]).toMatch(
    /^Answer from these passages:\n\nOtters eat fish[^]*Pandas eat bamboo/,
  );
  expect(first?.[1]).toBe('pandas eat bamboo, otters?');
  await ask('Zebra quantum?');
  expect(prompts.at(-1)).toBe('Zebra quantum?');
  expect(() => retrievalMiddleware({ retriever, topK: 0 })).toThrow(/topK/);
});

test('an abort while a weave answers leaves it usable', async () => {
  const model = weaveModel(weave);
  const abort = new AbortController();
  const stream = streamText({ model, prompt: 'What do otters eat?', abortSignal: abort.signal });
  for await (const part of stream.fullStream) if (part.type === 'source') abort.abort();
  const again = await generateText({ model, prompt: 'What do otters eat?' });
  expect(again.text).toBe('They eat fish.');
  const { cells } = await weave.stats();
  expect(cells.free).toBeGreaterThan(0);
});
