import { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import { InMemoryCache } from '@langchain/core/caches';
import { Document } from '@langchain/core/documents';
import {
  AIMessage,
  type AIMessageChunk,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
  type UsageMetadata,
} from '@langchain/core/messages';
import { expect, test } from '@jest/globals';
import { z } from 'zod';
import {
  ChatChunkweave,
  type ChatChunkweaveFields,
  type ChunkweaveResponseMetadata,
  documentBlocks,
  documentsText,
} from '../../../adapters/langchain/index.js';
import { memoryStore, topKSelector } from '../../../lib/index.js';
import { FakeEngine } from '../../../lib/testing/index.js';

const otters = new Document({
  id: 'otters',
  pageContent: 'Otters eat fish. They hold hands while they sleep.',
  metadata: { title: 'On otters' },
});
const pandas = new Document({
  id: 'pandas',
  pageContent: 'Pandas eat bamboo for most of the day.',
  metadata: {},
});

function asking(text: string, ...documents: Document[]): BaseMessage {
  return new HumanMessage({ content: [...documentBlocks(documents), { type: 'text', text }] });
}

function usageOf(message: BaseMessage): UsageMetadata {
  return (message as unknown as { usage_metadata: UsageMetadata }).usage_metadata;
}

function detailsOf({ response_metadata: metadata }: BaseMessage) {
  return metadata as unknown as ChunkweaveResponseMetadata;
}

async function withModel(
  fields: Partial<ChatChunkweaveFields>,
  use: (model: ChatChunkweave, engine: FakeEngine) => Promise<void>,
): Promise<void> {
  const engine = new FakeEngine();
  const model = new ChatChunkweave({ engine, maxTokens: 6, ...fields });
  try {
    await use(model, engine);
  } finally {
    await model.dispose();
    await engine.dispose();
  }
}

test('what was woven once is read from the cache, in another order and another prompt', async () => {
  await withModel({}, async (model) => {
    const first = await model.invoke([asking('What do otters eat?', otters, pandas)]);
    const cold = usageOf(first);
    expect(cold.total_tokens).toBe(cold.input_tokens + cold.output_tokens);
    expect(cold.input_token_details?.cache_creation).toBeGreaterThan(0);
    expect(detailsOf(first).chunkweave.sources.map(({ cached }) => cached)).toEqual([false, false]);

    const second = await model.invoke([asking('And pandas?', pandas, otters)]);
    const warm = usageOf(second);
    const { usage, sources } = detailsOf(second).chunkweave;
    expect(sources.map(({ documentId, cached }) => [documentId, cached])).toEqual([
      ['pandas', true],
      ['otters', true],
    ]);
    expect(sources[1]?.title).toBe('On otters');
    expect(warm.input_token_details).toEqual({ cache_read: usage.cached, cache_creation: 0 });
    expect(usage.cached).toBeGreaterThan(0);
    expect(usage.prompt).toBe(usage.cached + usage.recomputed + usage.fresh);
    expect(warm.input_tokens).toBe(usage.prompt);
    expect(detailsOf(second)).toMatchObject({
      model: model.model,
      model_name: model.model,
      model_provider: 'chunkweave',
      finish_reason: expect.stringMatching(/^(stop|length)$/),
    });
  });
});

test('blocks, marked text, system text and tool artifacts give the same prompt', async () => {
  const ask = 'What do they eat?';
  const both = [otters, pandas];
  const artifact = new ToolMessage({ content: 'two', tool_call_id: '1', artifact: both });
  const forms: BaseMessage[][] = [
    [asking(ask, ...both)],
    [new HumanMessage(`${documentsText(both)}\n${ask}`)],
    [new SystemMessage(documentsText(both)), new HumanMessage(ask)],
    [new HumanMessage(ask), new AIMessage({ content: '', tool_calls: [] }), artifact],
  ];
  await withModel({}, async (model) => {
    const answers: unknown[] = [];
    for (const messages of forms) {
      const answer = await model.invoke(messages, { reuse: 'full' });
      answers.push([answer.text, usageOf(answer).input_tokens]);
      expect(detailsOf(answer).chunkweave.sources.map(({ documentId }) => documentId)).toEqual([
        'otters',
        'pandas',
      ]);
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });
});

test('a text that holds the markers stays one document, and comes back as it was', async () => {
  const text = 'A tag </document> and "quotes" & <more>.';
  const odd = new Document({ id: 'a"b<c>&d', pageContent: text, metadata: {} });
  await withModel({}, async (model) => {
    const marked = await model.invoke(`${documentsText([odd])}\nWhat is it?`, { reuse: 'full' });
    const blocks = await model.invoke([asking('What is it?', odd)], { reuse: 'full' });
    expect(detailsOf(marked).chunkweave.sources[0]?.documentId).toBe('a"b<c>&d');
    expect(usageOf(marked)).toEqual(usageOf(blocks));
  });
});

test('a stream gives the text of invoke, then usage and metadata in its last chunk', async () => {
  await withModel({}, async (model) => {
    const messages = [asking('What do otters eat?', otters)];
    const whole = await model.invoke(messages, { reuse: 'full' });
    const chunks: AIMessageChunk[] = [];
    for await (const chunk of await model.stream(messages, { reuse: 'full' })) chunks.push(chunk);
    expect(chunks.map(({ text }) => text).join('')).toBe(whole.text);
    const [last, ...others] = chunks.filter((chunk) => usageOf(chunk)).toReversed();
    expect(others).toEqual([]);
    expect(usageOf(last as BaseMessage)).toEqual(usageOf(whole));
    expect(detailsOf(last as BaseMessage).model).toBe(model.model);
    const sum = chunks.reduce((one, other) => one.concat(other));
    expect(usageOf(sum)).toMatchObject(usageOf(whole));
  });
});

test('callbacks hear of start, every token and the end', async () => {
  const heard: string[] = [];
  let text = '';
  class Handler extends BaseCallbackHandler {
    override name = 'handler';
    override awaitHandlers = true;
    override handleChatModelStart(): void {
      heard.push('start');
    }
    override handleLLMNewToken(token: string): void {
      heard.push('token');
      text += token;
    }
    override handleLLMEnd(): void {
      heard.push('end');
    }
  }
  await withModel({}, async (model) => {
    let streamed = '';
    const stream = await model.stream([asking('Otters?', otters)], { callbacks: [new Handler()] });
    for await (const chunk of stream) streamed += chunk.text;
    expect([heard[0], heard.at(-1)]).toEqual(['start', 'end']);
    expect(heard.filter((event) => event === 'token').length).toBeGreaterThan(0);
    expect(text).toBe(streamed);
  });
});

test('streamEvents tells of the model run, in both forms', async () => {
  await withModel({}, async (model) => {
    const names: string[] = [];
    for await (const { event } of model.streamEvents('Hello', { version: 'v2' })) names.push(event);
    expect(names[0]).toBe('on_chat_model_start');
    expect(names).toContain('on_chat_model_stream');
    expect(names.at(-1)).toBe('on_chat_model_end');
    const message = await model.streamEvents('Hello');
    expect(message.text).toBe((await model.invoke('Hello')).text);
  });
});

test('a batch answers each of its prompts as if alone, with its own documents', async () => {
  await withModel({}, async (model) => {
    const prompts = [
      [asking('Same question', otters)],
      [asking('Same question', pandas)],
      [new HumanMessage('Same question')],
    ];
    const together = await model.batch(prompts);
    const documents = together.map((answer) =>
      detailsOf(answer).chunkweave.sources.map(({ documentId }) => documentId),
    );
    expect(documents).toEqual([['otters'], ['pandas'], []]);
    const full = await model.batch(prompts, { reuse: 'full' });
    for (const [i, prompt] of prompts.entries()) {
      const alone = await model.invoke(prompt, { reuse: 'full' });
      expect(full[i]?.text).toBe(alone.text);
      expect(usageOf(full[i] as BaseMessage)).toEqual(usageOf(alone));
    }
  });
});

test('with conversations kept, follow-ups compute neither earlier turns nor their documents again', async () => {
  await withModel({ conversations: 2 }, async (model) => {
    const talk: BaseMessage[] = [asking('What do otters eat?', otters)];
    const first = await model.invoke(talk);
    const begun = usageOf(first).input_tokens;
    talk.push(new AIMessage(first.text), asking('And pandas?', pandas));
    const second = await model.invoke(talk);
    const { usage, sources, notes } = detailsOf(second).chunkweave;
    expect(usage.cached).toBeGreaterThanOrEqual(begun);
    expect(usage.prompt).toBe(usage.cached + usage.recomputed + usage.fresh);
    expect(notes).toEqual([]);
    // Both documents stand there, each where it came.
    expect(sources.map(({ documentId }) => documentId)).toEqual(['otters', 'pandas']);
    let text = '';
    talk.push(new AIMessage(second.text), new HumanMessage('Why?'));
    for await (const chunk of await model.stream(talk)) text += chunk.text;
    expect(text).not.toBe('');
    // Another beginning is another conversation, answered all the same.
    const other = await model.invoke([
      new HumanMessage('Hi'),
      new AIMessage('Ho'),
      ...talk.slice(-1),
    ]);
    expect(usageOf(other).input_token_details?.cache_read).toBeLessThan(begun);
  });
  const engine = new FakeEngine();
  expect(() => new ChatChunkweave({ engine, conversations: -1 })).toThrow(/conversations is -1/);
  await engine.dispose();
});

test('stop strings end the answer and are not part of it', async () => {
  await withModel({ maxTokens: 24 }, async (model) => {
    const { text } = await model.invoke('Hello');
    const stop = text.slice(4, 7);
    const stopped = await model.invoke('Hello', { stop: [stop] });
    expect(stopped.text).toBe(text.slice(0, text.indexOf(stop)));
    expect(detailsOf(stopped).finish_reason).toBe('stop');
    expect(detailsOf(await model.invoke('Hello')).finish_reason).toBe('length');
  });
});

test('earlier turns and system messages change the prompt; each system message has a prefix of its own', async () => {
  await withModel({ maxSystems: 1 }, async (model) => {
    const turns = [
      new SystemMessage('Be brief.'),
      new HumanMessage('Hello'),
      new AIMessage('Hello to you'),
      asking('What do otters eat?', otters),
    ];
    const long = usageOf(await model.invoke(turns)).input_tokens;
    const short = usageOf(await model.invoke(turns.slice(-1))).input_tokens;
    expect(long).toBeGreaterThan(short);
    // Only one is kept, so this one begins anew, with passages from the store.
    const again = await model.invoke(turns);
    expect(detailsOf(again).chunkweave.sources[0]?.cached).toBe(true);
  });
});

test('an answer from a cache of LangChain is the same, and its key knows the documents', async () => {
  await withModel({ cache: new InMemoryCache() }, async (model, engine) => {
    const first = await model.invoke([asking('What?', otters)]);
    const before = engine.counters.rowLayers;
    const again = await model.invoke([asking('What?', otters)]);
    expect(engine.counters.rowLayers).toBe(before);
    expect(again.text).toBe(first.text);
    await model.invoke([asking('What?', pandas)]);
    expect(engine.counters.rowLayers).toBeGreaterThan(before);
  });
});

test('structured output keeps to the schema, from zod and from a JSON schema', async () => {
  const verdicts = ['yes', 'no'] as const;
  await withModel({ maxTokens: 64 }, async (model) => {
    const schema = z.object({ verdict: z.enum(verdicts), source: z.literal('otters') });
    const parsed = await model.withStructuredOutput(schema).invoke([asking('Fish?', otters)]);
    expect(verdicts).toContain(parsed['verdict']);
    expect(parsed).toMatchObject({ source: 'otters' });
    const json = z.toJSONSchema(schema);
    const { raw, parsed: again } = (await model
      .withStructuredOutput(json, { includeRaw: true })
      .invoke([asking('Fish?', otters)])) as { raw: BaseMessage; parsed: unknown };
    expect(again).toEqual(JSON.parse(raw.text));
    const refined = schema.refine(() => false, 'never');
    await expect(model.withStructuredOutput(refined).invoke('Fish?')).rejects.toThrow(
      /parse|never/,
    );
  });
});

test('traces know the model, and its name when it is written down', async () => {
  await withModel({ temperature: 0, stop: ['x'] }, async (model) => {
    expect(ChatChunkweave.lc_name()).toBe('ChatChunkweave');
    expect(JSON.parse(JSON.stringify(model))).toMatchObject({
      type: 'not_implemented',
      id: ['chunkweave', 'langchain', 'ChatChunkweave'],
    });
    expect(model.getLsParams({})).toEqual({
      ls_provider: 'chunkweave',
      ls_model_name: model.model,
      ls_model_type: 'chat',
      ls_temperature: 0,
      ls_max_tokens: 6,
      ls_stop: ['x'],
    });
    expect(model.metadata?.['versions']).toHaveProperty('chunkweave');
  });
});

test.each<[string, BaseMessage[], RegExp]>([
  ['no message of a person', [new SystemMessage('Be brief.')], /no human message/],
  ['nothing but documents', [asking('', otters)], /no text beside its documents/],
  ['blank text', [new HumanMessage('  ')], /no text/],
  ['an image', [new HumanMessage({ content: [{ type: 'image', url: 'x' }] })], /type "image"/],
  [
    'a document without text',
    [new HumanMessage({ content: [{ type: 'document' }] })],
    /"document" has no text/,
  ],
  [
    'two texts with one id',
    [asking('What?', otters, new Document({ ...pandas, id: 'otters' }))],
    /id "otters"/,
  ],
])('%s is refused', async (_, messages, problem) => {
  await withModel({}, async (model) => {
    const failure = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(problem),
    });
    await expect(model.invoke(messages)).rejects.toEqual(failure);
    await expect(model.stream(messages)).rejects.toEqual(failure);
    // As usable as before.
    await model.invoke('Hello');
  });
});

test('a document that comes twice stands once', async () => {
  await withModel({}, async (model) => {
    const answer = await model.invoke([asking('What?', otters, otters)]);
    expect(detailsOf(answer).chunkweave.sources.length).toBe(1);
  });
});

test('10,000 documents are refused before all are read, or chosen among', async () => {
  const many = Array.from(
    { length: 10_000 },
    (_, i) =>
      new Document({ id: `${i}`, pageContent: `Animal ${i} eats leaf ${i}.`, metadata: {} }),
  );
  const ask = [asking('What does animal 7777 eat?', ...many)];
  await withModel({}, async (model, engine) => {
    await expect(model.invoke(ask)).rejects.toMatchObject({
      code: 'CONTEXT_OVERFLOW',
      message: expect.stringMatching(/`topK` or a `selector`/),
    });
    expect(engine.counters.rowLayers).toBe(0);
  });
  await withModel({ topK: 3 }, async (model) => {
    const { sources } = detailsOf(await model.invoke(ask)).chunkweave;
    expect(sources.length).toBe(3);
    expect(sources.map(({ documentId }) => documentId)).toContain('7777');
  });
});

test('a selector chooses among the documents under its budget', async () => {
  const fields = { selector: topKSelector(), budget: { tokens: 16 } };
  await withModel(fields, async (model) => {
    const answer = await model.invoke([asking('What do pandas eat?', otters, pandas)]);
    const { sources } = detailsOf(answer).chunkweave;
    expect(sources.length).toBeLessThan(2);
  });
});

test('a signal that was aborted before stops everything before it begins', async () => {
  await withModel({}, async (model, engine) => {
    const signal = AbortSignal.abort();
    await expect(model.invoke('Hello', { signal })).rejects.toThrow(/abort/i);
    await expect(model.stream('Hello', { signal })).rejects.toThrow(/abort/i);
    expect(engine.counters.rowLayers).toBe(0);
  });
});

test('an abort at any stage ends the call, and the model answers the next one', async () => {
  const engine = new FakeEngine({ latency: { perLayer: 1 } });
  const store = memoryStore();
  const model = new ChatChunkweave({ engine, store, maxTokens: 30 });
  const messages = [asking('What do they eat?', otters, pandas)];
  for (const delay of [0, 3, 10, 30]) {
    const abort = new AbortController();
    const running = model.invoke(messages, { signal: abort.signal });
    setTimeout(() => abort.abort(), delay);
    const outcome = await Promise.allSettled([running]);
    for (const each of outcome) {
      if (each.status === 'rejected') expect(String(each.reason)).toMatch(/abort/i);
    }
  }
  const abort = new AbortController();
  let seen = 0;
  const reading = async () => {
    const stream = await model.stream(messages, { signal: abort.signal });
    for await (const _ of stream) if (++seen === 2) abort.abort();
  };
  await expect(reading()).rejects.toThrow(/abort/i);
  // Leaving the loop is an abort too.
  for await (const _ of await model.stream(messages)) break;
  const answer = await model.invoke(messages, { maxTokens: 2 });
  expect(usageOf(answer).output_tokens).toBeGreaterThan(0);
  await model.dispose();
  await expect(model.invoke('Hello')).rejects.toMatchObject({ code: 'DISPOSED' });
  await engine.dispose();
});

test('a model without an engine says how to get one', () => {
  expect(() => new ChatChunkweave({} as ChatChunkweaveFields)).toThrow(/loadEngine/);
});
