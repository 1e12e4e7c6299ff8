import { expect, test } from '@jest/globals';
import { generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import {
  createChunkweave,
  type ChunkweaveProviderOptions,
} from '../../../adapters/ai-sdk/index.js';
import { InvalidArgumentError, SamplingError } from '../../../lib/index.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import { ScriptedEngine } from '../../support/scripted-engine.js';

globalThis.AI_SDK_LOG_WARNINGS = false;

const modelOf = (engine: FakeEngine) => createChunkweave({ models: { chat: engine } })('chat');
const yesOrNo = { grammar: 'root ::= "yes" | "no"' } satisfies ChunkweaveProviderOptions;

test('generateText: text, usage and finish reason of the engine', async () => {
  const engine = new FakeEngine();
  const system = 'Be brief.';
  const prompt = 'Is water wet?';
  const { text, usage, finishReason, warnings, response } = await generateText({
    model: modelOf(engine),
    system,
    prompt,
    providerOptions: { chunkweave: yesOrNo },
  });
  expect(['yes', 'no']).toContain(text);
  const { head, tail } = await engine.chat.frame({ system });
  const { ids } = await engine.tokenizer.encode(prompt);
  const total = head.length + ids.length + tail.length;
  expect(usage.inputTokens).toBe(total);
  expect(usage.inputTokenDetails).toMatchObject({ cacheReadTokens: 0, noCacheTokens: total });
  expect(usage.outputTokens).toBeGreaterThan(0);
  expect(finishReason).toBe('stop');
  expect(warnings).toEqual([]);
  expect(response.modelId).toBe('chat');
});

test('streamText gives the same text in pieces, and earlier turns are part of the prompt', async () => {
  const model = modelOf(new FakeEngine());
  const ask = {
    model,
    prompt: 'Tell me of caches.',
    maxOutputTokens: 12,
    temperature: 0.8,
    seed: 3,
  };
  const whole = await generateText(ask);
  const stream = streamText(ask);
  const pieces: string[] = [];
  for await (const piece of stream.textStream) pieces.push(piece);
  expect(pieces.join('')).toBe(whole.text);
  expect(pieces.length).toBeGreaterThan(1);
  expect((await stream.usage).inputTokens).toBe(whole.usage.inputTokens);
  expect(await stream.finishReason).toBe('length');
  const longer = await generateText({
    model,
    maxOutputTokens: 2,
    messages: [
      { role: 'user', content: 'Hello.' },
      { role: 'assistant', content: 'Hi.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Read.' },
          { type: 'file', mediaType: 'text/plain', data: Buffer.from('of caches') },
        ],
      },
    ],
  });
  expect(longer.usage.inputTokens).toBeGreaterThan(0);
});

test('sampling options and stop sequences reach the sampler', async () => {
  const engine = new ScriptedEngine(['one two END three']);
  const { text } = await generateText({
    model: modelOf(engine),
    prompt: 'Count.',

    temperature: 0.5,
    topK: 7,
    topP: 0.9,
    seed: 4,
    presencePenalty: 0.1,
    frequencyPenalty: 0.2,
    stopSequences: ['END'],
    providerOptions: { chunkweave: { minP: 0.05, repeatPenalty: 1.1, penaltyWindow: 32 } },
  });
  expect(text).toBe('one two ');
  expect(engine.asked).toEqual([
    {
      temperature: 0.5,
      topK: 7,
      topP: 0.9,
      seed: 4,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      minP: 0.05,
      repeatPenalty: 1.1,
      penaltyWindow: 32,
    },
  ]);
});

test('generateObject binds the sampler to the schema, and says what a grammar does not hold to', async () => {
  const engine = new ScriptedEngine(['{"name": "Ann", "age": 31}']);
  const schema = jsonSchema<{ name: string; age: number }>({
    type: 'object',
    properties: { name: { type: 'string', pattern: '^A' }, age: { type: 'integer' } },
    required: ['name', 'age'],
  });
  const { object, warnings } = await generateObject({
    model: modelOf(engine),
    schema,
    prompt: 'Who?',
  });
  expect(object).toEqual({ name: 'Ann', age: 31 });
  expect(engine.asked[0]?.grammar).toMatch(/"\\"age\\"" ":" ws integer/);
  expect(JSON.stringify(warnings)).toMatch(/pattern/);
  const refused = generateObject({
    model: modelOf(engine),
    schema: jsonSchema({ type: 'string', enum: [] }),
    prompt: 'Who?',
    maxRetries: 0,
  });
  await expect(refused).rejects.toThrow(SamplingError);
});

const weather = tool({
  description: 'The weather of a city.',
  inputSchema: jsonSchema<{ city: string }>({
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
  }),
  execute: async ({ city }) => `rain in ${city}`,
});
const call = '{"tool": "weather", "input": {"city": "Bern"}}';

test('tools: a call by the grammar, its result in the next turn, then text', async () => {
  const engine = new ScriptedEngine([call, 'Take an umbrella.']);
  const { text, steps } = await generateText({
    model: modelOf(engine),
    prompt: 'What to wear in Bern?',
    tools: { weather },
    stopWhen: stepCountIs(3),
  });
  expect(text).toBe('Take an umbrella.');
  expect(steps).toHaveLength(2);
  expect(steps[0]?.finishReason).toBe('tool-calls');
  expect(steps[0]?.toolCalls).toMatchObject([{ toolName: 'weather', input: { city: 'Bern' } }]);
  expect(steps[0]?.toolResults).toMatchObject([{ output: 'rain in Bern' }]);
  expect(steps[0]?.text).toBe('');
  expect(engine.asked[0]?.grammar).toContain('weather');
  expect(engine.asked[0]?.grammar).toContain('[^{');
  expect(steps[1]?.usage.inputTokens).toBeGreaterThan(steps[0]?.usage.inputTokens ?? Infinity);
});

test('tools in a stream; a forced tool leaves no way out; a call that is cut short is text', async () => {
  const engine = new ScriptedEngine([call]);
  const stream = streamText({
    model: modelOf(engine),
    prompt: 'Bern?',
    tools: { weather },
    toolChoice: 'required',
  });
  const types: string[] = [];
  for await (const part of stream.fullStream) types.push(part.type);
  expect(types).toEqual(
    expect.arrayContaining([
      'tool-input-start',
      'tool-input-delta',
      'tool-input-end',
      'tool-call',
      'tool-result',
    ]),
  );
  expect(types).not.toContain('text-delta');
  expect(engine.asked[0]?.grammar).not.toContain('[^{');
  const short = await generateText({
    model: modelOf(engine),
    prompt: 'Bern?',
    tools: { weather },
    maxOutputTokens: 5,
  });
  expect(short.toolCalls).toEqual([]);
  expect(short.finishReason).toBe('length');
  expect(call.startsWith(short.text)).toBe(true);
  expect(short.text).not.toBe('');
});

test('an abort before, during the prompt and during the answer ends all work', async () => {
  const engine = new FakeEngine({ latency: { perLayer: 1 } });
  const model = modelOf(engine);
  await expect(
    generateText({ model, prompt: 'a', abortSignal: AbortSignal.abort(), maxRetries: 0 }),
  ).rejects.toThrow(/abort/i);
  expect(engine.counters.layers).toBe(0);
  const early = new AbortController();
  const running = generateText({ model, prompt: 'a', abortSignal: early.signal, maxRetries: 0 });
  setTimeout(() => early.abort(), 2);
  await expect(running).rejects.toThrow(/abort/i);
  const late = new AbortController();
  let reason: unknown;
  const stream = streamText({
    model,
    prompt: 'a',
    abortSignal: late.signal,
    maxOutputTokens: 200,
    onAbort: () => {
      reason = 'aborted';
    },
  });
  let pieces = 0;
  for await (const _ of stream.textStream) if (++pieces === 2) late.abort();
  expect(reason).toBe('aborted');
  const { layers } = engine.counters;
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(engine.counters.layers - layers).toBeLessThanOrEqual(engine.model.kv.layers);
});

test('a consumer that leaves the stream gives the cells back', async () => {
  const engine = new FakeEngine({ maxCells: 512 });
  const model = modelOf(engine);
  for (let i = 0; i < 4; i++) {
    const { stream } = await model.doStream({
      prompt: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }],
      maxOutputTokens: 300,
    });
    const reader = stream.getReader();
    for (let part = 0; part < 4; part++) await reader.read();
    await reader.cancel();
  }
});

test('a failure of the engine is an error part, and the next call works', async () => {
  const engine = new FakeEngine();
  const model = modelOf(engine);
  engine.failNext(new Error('no more power'));
  const errors: unknown[] = [];
  const stream = streamText({
    model,
    prompt: 'a',
    onError: ({ error }) => void errors.push(error),
    maxOutputTokens: 3,
  });
  for await (const _ of stream.fullStream) {
    // Read to the end.
  }
  expect(String(errors[0])).toContain('no more power');
  expect((await generateText({ model, prompt: 'a', maxOutputTokens: 3 })).text).not.toBe('');
});

const user = (content: unknown) => [{ role: 'user' as const, content }] as never;

test('what is not supported is refused or warned of, never left out silently', async () => {
  const model = modelOf(new FakeEngine());
  const refused: [object, RegExp][] = [
    [
      { prompt: user([{ type: 'file', mediaType: 'image/png', data: 'AAAA' }]) },
      /text only.*image\/png/,
    ],
    [{ prompt: user([]) }, /must end with/],
    [{ prompt: user([{ type: 'text', text: ' ' }]) }, /must end with/],
    [{ prompt: [] }, /must end with/],
    [{ prompt: [{ role: 'assistant', content: [{ type: 'text', text: 'a' }] }] }, /must end with/],
    [{ providerOptions: { chunkweave: { topk: 3 } } }, /no "topk".*topK/],
    [{ providerOptions: { chunkweave: { topK: 3 } } }, /models that weave/],
    [{ providerOptions: { chunkweave: { minP: '1' } } }, /type number/],
    [{ providerOptions: { chunkweave: yesOrNo }, responseFormat: { type: 'json' } }, /together/],
    [{ tools: [], toolChoice: { type: 'tool', toolName: 'x' } }, /no tool "x"/],
    [{ maxOutputTokens: 0 }, /maxTokens/],
  ];
  for (const [more, message] of refused) {
    const call = { prompt: user([{ type: 'text', text: 'a' }]), ...more } as never;
    const failed = model.doGenerate(call);
    await expect(failed).rejects.toThrow(InvalidArgumentError);
    await expect(model.doGenerate(call)).rejects.toThrow(message);
  }
  const { warnings } = await model.doGenerate({
    prompt: user([{ type: 'text', text: 'a' }]),
    maxOutputTokens: 1,
    tools: [{ type: 'provider', id: 'x.search', name: 'search', args: {} }],
  });
  expect(warnings).toEqual([{ type: 'unsupported', feature: 'provider-defined tool x.search' }]);
  expect(() => createChunkweave({}).languageModel('gpt')).toThrow(/no model "gpt"/);
  expect(() => createChunkweave({}).imageModel('x')).toThrow(InvalidArgumentError);
});
