import { InMemoryCache } from '@langchain/core/caches';
import { Document } from '@langchain/core/documents';
import {
  AIMessage,
  type AIMessageChunk,
  type BaseMessage,
  HumanMessage,
  ToolMessage,
} from '@langchain/core/messages';
import { RunnableLambda } from '@langchain/core/runnables';
import { tool } from '@langchain/core/tools';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { expect, test } from '@jest/globals';
import { z } from 'zod';
import {
  ChatChunkweave,
  type ChatChunkweaveFields,
  ChunkweaveRetriever,
  type ChunkweaveResponseMetadata,
  documentsText,
} from '../../../adapters/langchain/index.js';
import { readMessages } from '../../../adapters/langchain/messages/read-messages.js';
import { bm25Retriever } from '../../../lib/index.js';
import { ScriptedEngine } from '../../support/scripted-engine.js';

// What LangChain's standard tests ask of a model with tools, by their names where there is one.

const schema = z.object({ city: z.string(), days: z.int().min(1).max(9).optional() });
const weather = tool(() => 'It rains.', {
  name: 'weather',
  description: 'Tells the weather.',
  schema,
});
const now = tool(() => '12:00', { name: 'now', schema: z.object({}) });
const written = '{"tool": "weather", "input": {"city": "Bern \\"{x}\\"", "days": 2}}';
const called = { name: 'weather', args: { city: 'Bern "{x}"', days: 2 }, type: 'tool_call' };

function detailsOf({ response_metadata: metadata }: BaseMessage) {
  return metadata as unknown as ChunkweaveResponseMetadata;
}

async function withScript(
  script: readonly string[],
  use: (model: ChatChunkweave, engine: ScriptedEngine) => Promise<void>,
  fields: Partial<ChatChunkweaveFields> = {},
): Promise<void> {
  const engine = new ScriptedEngine(script, { layers: 1 });
  const model = new ChatChunkweave({ engine, maxTokens: 120, ...fields });
  try {
    await use(model, engine);
  } finally {
    await model.dispose();
    await engine.dispose();
  }
}

test('a call comes back as a tool call, and nothing of it as text', async () => {
  await withScript([written], async (model, engine) => {
    const message = (await model.bindTools([weather, now]).invoke('Rain?')) as AIMessage;
    expect(message.tool_calls).toEqual([{ ...called, id: expect.any(String) }]);
    expect(message.text).toBe('');
    expect(detailsOf(message).finish_reason).toBe('tool_calls');
    const { grammar = '' } = engine.asked[0] ?? {};
    expect(grammar).toContain(String.raw`"\"weather\""`);
    expect(grammar).toContain(String.raw`"\"now\""`);
  });
});

test('text comes back as text, whole and as it comes', async () => {
  await withScript(['It may {rain}.'], async (model) => {
    const bound = model.bindTools([weather]);
    const message = (await bound.invoke('Rain?')) as AIMessage;
    expect(message.text).toBe('It may {rain}.');
    expect(message.tool_calls).toEqual([]);
    let text = '';
    for await (const chunk of await bound.stream('Rain?')) text += chunk.text;
    expect(text).toBe('It may {rain}.');
    expect(detailsOf(message).finish_reason).toBe('stop');
  });
});

test('testModelCanUseToolUseAIMessageWithStreaming: a call streams by its input', async () => {
  await withScript([written], async (model) => {
    const heard: string[] = [];
    const callbacks = [{ handleLLMNewToken: (token: string) => void heard.push(token) }];
    const chunks: AIMessageChunk[] = [];
    const stream = await model.bindTools([weather]).stream('Rain?', { callbacks });
    for await (const chunk of stream) chunks.push(chunk as AIMessageChunk);
    const pieces = chunks.flatMap((chunk) => chunk.tool_call_chunks ?? []);
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces[0]).toMatchObject({ name: 'weather', index: 0, id: expect.any(String) });
    expect(pieces.map(({ args }) => args).join('')).toBe('{"city": "Bern \\"{x}\\"", "days": 2}');
    const sum = chunks.reduce((one, other) => one.concat(other));
    expect(sum.tool_calls).toEqual([{ ...called, id: pieces[0]?.id }]);
    expect(sum.text).toBe('');
    expect(heard.length).toBeGreaterThanOrEqual(pieces.length);
    expect(detailsOf(sum).finish_reason).toBe('tool_calls');
  });
});

test('testBindTools: tools of LangChain, of OpenAI’s form and runnables as tools', async () => {
  const inputs = [
    weather,
    {
      type: 'function' as const,
      function: { name: 'weather', description: 'w', parameters: z.toJSONSchema(schema) },
    },
    RunnableLambda.from((input: z.infer<typeof schema>) => input.city).asTool({
      name: 'weather',
      description: 'w',
      schema,
    }),
  ];
  for (const input of inputs) {
    await withScript([written], async (model) => {
      const message = (await model.bindTools([input]).invoke('Rain?')) as AIMessage;
      expect(message.tool_calls).toMatchObject([called]);
    });
  }
});

test('tool_choice says which tools may be called, and whether one must be', async () => {
  await withScript([written], async (model, engine) => {
    const grammarOf = async (choice?: string | object) => {
      const options = choice === undefined ? {} : { tool_choice: choice as string };
      await model.bindTools([weather, now], options).invoke('Rain?');
      return engine.asked.at(-1)?.grammar;
    };
    const [auto, any, named] = [
      await grammarOf('auto'),
      await grammarOf('any'),
      await grammarOf('now'),
    ];
    expect(await grammarOf()).toBe(auto);
    expect(auto).toContain('[^{');
    expect(any).not.toContain('[^{');
    expect(await grammarOf('required')).toBe(any);
    expect(named).not.toContain('weather');
    expect(await grammarOf({ type: 'function', function: { name: 'now' } })).toBe(named);
    expect(await grammarOf('none')).toBeUndefined();
  });
});

test('a choice or a tool that cannot be is refused before anything is computed', async () => {
  await withScript([written], async (model, engine) => {
    const bad = { code: 'INVALID_ARGUMENT' };
    expect(() => model.bindTools([weather], { tool_choice: 'snow' })).toThrow(
      expect.objectContaining({ ...bad, message: expect.stringMatching(/"snow".*weather/) }),
    );
    expect(() => model.bindTools([], { tool_choice: 'any' })).toThrow(/there are no tools/);
    expect(() => model.bindTools([{ type: 'function', function: {} } as never])).toThrow(/no name/);
    await expect(model.invoke('Rain?', { tool_choice: 'weather' })).rejects.toMatchObject(bad);
    await expect(
      model.bindTools([weather], { grammar: 'root ::= "a"' }).invoke('Rain?'),
    ).rejects.toMatchObject(bad);
    const impossible = { type: 'function', function: { name: 'x', parameters: { type: 'date' } } };
    expect(() => model.bindTools([impossible as never])).toThrow(
      expect.objectContaining({ code: 'SAMPLING' }),
    );
    expect(engine.counters.rowLayers).toBe(0);
  });
});

test('what a grammar cannot hold to of an input is told', async () => {
  const parameters = { type: 'object', properties: { city: { type: 'string', pattern: '^B' } } };
  await withScript([written], async (model) => {
    const picky = { type: 'function', function: { name: 'weather', parameters } } as const;
    const message = await model.bindTools([picky as never]).invoke('Rain?');
    expect(detailsOf(message).chunkweave.notes.join()).toMatch(/pattern "\^B"/);
  });
});

test('a call that is cut short is no call, and nothing of it is lost', async () => {
  await withScript(
    [written],
    async (model) => {
      const bound = model.bindTools([weather]);
      const message = (await bound.invoke('Rain?')) as AIMessage;
      expect(message.tool_calls).toEqual([]);
      expect(message.invalid_tool_calls).toMatchObject([
        {
          name: 'weather',
          error: expect.stringMatching(/cut short/),
          args: expect.stringMatching(/^\{"ci/),
        },
      ]);
      expect(detailsOf(message).finish_reason).toBe('length');
      const pieces: string[] = [];
      for await (const chunk of await bound.stream('Rain?')) {
        for (const { args } of (chunk as AIMessageChunk).tool_call_chunks ?? [])
          pieces.push(args ?? '');
      }
      expect(pieces.join('')).toBe(message.invalid_tool_calls?.[0]?.args);
    },
    { maxTokens: 36 },
  );
});

function weatherAsked(content: ToolMessage['content']): BaseMessage[] {
  return [
    new HumanMessage('Rain in Bern?'),
    new AIMessage({
      content: '',
      tool_calls: [{ id: 'c1', name: 'weather', args: { city: 'Bern' }, type: 'tool_call' }],
    }),
    new ToolMessage({ content, tool_call_id: 'c1' }),
  ];
}

test('testToolMessageHistories: calls and their results stand in the conversation', async () => {
  const asText = readMessages(weatherAsked('It rains.'));
  const asBlocks = readMessages(weatherAsked([{ type: 'text', text: 'It rains.' }]));
  expect(asText).toEqual(asBlocks);
  expect(asText.question).toBe('Rain in Bern?');
  expect(asText.text).toBe(
    'Rain in Bern?\n\nAssistant: {"tool": "weather", "input": {"city":"Bern"}}\nResult of weather: It rains.',
  );
  await withScript(['Yes.'], async (model) => {
    const message = await model.bindTools([weather]).invoke(weatherAsked('It rains.'));
    expect(message.text).toBe('Yes.');
  });
});

test('testCacheComplexMessageTypes: a call comes out of a cache as it went in', async () => {
  await withScript(
    [written, 'Something else.'],
    async (model, engine) => {
      const bound = model.bindTools([weather]);
      const first = (await bound.invoke('Rain?')) as AIMessage;
      const again = (await bound.invoke('Rain?')) as AIMessage;
      expect(again.tool_calls).toEqual(first.tool_calls);
      expect(engine.asked).toHaveLength(1);
      // Other tools are another question.
      expect((await model.bindTools([now]).invoke('Rain?')).text).toBe('Something else.');
    },
    { cache: new InMemoryCache() },
  );
});

test('testDoubleMessagesConversation: several messages of one role in a row are read one after another', async () => {
  await withScript(['Hm.'], async (model) => {
    const messages = [
      new HumanMessage('Hello.'),
      new HumanMessage('Who are you?'),
      new AIMessage('I am.'),
      new AIMessage('Ask me.'),
      new HumanMessage('Why?'),
    ];
    expect(readMessages(messages).text).toBe(
      'The conversation so far:\nUser: Hello.\nUser: Who are you?\nAssistant: I am.\nAssistant: Ask me.\n\nWhy?',
    );
    expect((await model.invoke(messages)).text).toBe('Hm.');
  });
});

test('an agent asks its retriever tool and answers from what that found', async () => {
  const retriever = new ChunkweaveRetriever({ retriever: bm25Retriever(), k: 1 });
  await retriever.addDocuments([
    new Document({ id: 'otters', pageContent: 'Otters eat fish and crabs.' }),
    new Document({ id: 'pandas', pageContent: 'Pandas eat bamboo leaves.' }),
  ]);
  const asked: string[] = [];
  const search = tool(
    async ({ query }) => {
      asked.push(query);
      const found = await retriever.invoke(query);
      return [documentsText(found), found];
    },
    {
      name: 'search',
      description: 'Finds documents.',
      schema: z.object({ query: z.string() }),
      responseFormat: 'content_and_artifact',
    },
  );
  const script = ['{"tool": "search", "input": {"query": "bamboo"}}', 'Pandas.'];
  await withScript(script, async (model) => {
    const agent = createReactAgent({ llm: model, tools: [search] });
    const { messages } = await agent.invoke({ messages: [new HumanMessage('Who eats bamboo?')] });
    expect(messages.map((message: BaseMessage) => message.getType())).toEqual([
      'human',
      'ai',
      'tool',
      'ai',
    ]);
    expect(asked).toEqual(['bamboo']);
    expect(messages.at(-1)?.text).toBe('Pandas.');
    const { sources } = detailsOf(messages.at(-1) as BaseMessage).chunkweave;
    expect(sources.map(({ documentId }) => documentId)).toEqual([
      expect.stringMatching(/^pandas#/),
    ]);
  });
});
