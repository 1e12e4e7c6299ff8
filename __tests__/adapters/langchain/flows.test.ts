import { Document } from '@langchain/core/documents';
import { AIMessage, type BaseMessage, HumanMessage } from '@langchain/core/messages';
import { StringOutputParser } from '@langchain/core/output_parsers';
import { ChatPromptTemplate } from '@langchain/core/prompts';
import { RunnableLambda, RunnablePassthrough, RunnableSequence } from '@langchain/core/runnables';
import { tool } from '@langchain/core/tools';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { Annotation, END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import {
  ChatChunkweave,
  ChunkweaveCompressor,
  ChunkweaveRetriever,
  type ChunkweaveResponseMetadata,
  createWeaveChain,
  documentBlocks,
  documentsText,
} from '../../../adapters/langchain/index.js';
import { bm25Retriever } from '../../../lib/index.js';
import { FakeEngine } from '../../../lib/testing/index.js';

const animals = [
  new Document({ id: 'otters', pageContent: 'Otters eat fish and crabs.', metadata: {} }),
  new Document({ id: 'pandas', pageContent: 'Pandas eat bamboo leaves.', metadata: {} }),
];
const engine = new FakeEngine();
const model = new ChatChunkweave({ engine, maxTokens: 5 });
const retriever = new ChunkweaveRetriever({ retriever: bm25Retriever(), k: 2 });
beforeAll(() => retriever.addDocuments(animals));
afterAll(async () => {
  await model.dispose();
  await engine.dispose();
});

const sourcesOf = ({ response_metadata: metadata }: BaseMessage) =>
  (metadata as unknown as ChunkweaveResponseMetadata).chunkweave.sources;

test('the chain finds documents, weaves them and answers, and so it streams', async () => {
  const chain = createWeaveChain({ model, retriever });
  const { input, context, answer } = await chain.invoke({ input: 'Who eats bamboo?' });
  expect(input).toBe('Who eats bamboo?');
  expect(context[0]?.pageContent).toBe(animals[1]?.pageContent);
  expect(answer).not.toBe('');
  const keys: string[] = [];
  let streamed = '';
  for await (const part of await chain.stream({ input: 'Who eats bamboo?' })) {
    keys.push(...Object.keys(part));
    streamed += part.answer ?? '';
  }
  expect(keys.indexOf('context')).toBeLessThan(keys.indexOf('answer'));
  expect(keys.filter((key) => key === 'answer').length).toBeGreaterThan(1);
  expect(streamed).not.toBe('');
  await expect(chain.invoke({ input: ' ' })).rejects.toThrow(/needs a question/);
});

test('streaming events of the chain name its steps, and model tokens come through', async () => {
  const chain = createWeaveChain({
    model,
    retriever,
    compressor: new ChunkweaveCompressor({ k: 1 }),
  });
  const events: string[] = [];
  const given = {
    input: 'Who eats bamboo?',
    chat_history: [new HumanMessage('Hi'), new AIMessage('Hello')],
  };
  for await (const { event, name } of chain.streamEvents(given, { version: 'v2' })) {
    events.push(`${event} ${name}`);
  }
  expect(events[0]).toBe('on_chain_start weave_chain');
  expect(events).toContain('on_retriever_end ChunkweaveRetriever');
  expect(events).toContain('on_chat_model_stream ChatChunkweave');
  expect(events.at(-1)).toBe('on_chain_end weave_chain');
});

test('other chat models get the documents of the chain as text', async () => {
  let seen: BaseMessage[] = [];
  const listener = {
    handleChatModelStart: (_: unknown, [messages]: BaseMessage[][]) => {
      seen = messages as BaseMessage[];
    },
  };
  const other = new FakeListChatModel({ responses: ['Pandas.'] });
  const chain = createWeaveChain({ model: other, retriever });
  const asked = { callbacks: [listener] };
  expect((await chain.invoke({ input: 'Who eats bamboo?' }, asked)).answer).toBe('Pandas.');
  expect(seen.at(-1)?.text).toMatch(/^<document id=".*">Pandas eat bamboo leaves\.<\/document>/);
});

test('an abort ends the chain at each of its stages', async () => {
  for (const stage of ['handleRetrieverStart', 'handleChatModelStart', 'handleLLMNewToken']) {
    const abort = new AbortController();
    const heard = { awaitHandlers: true, [stage]: () => abort.abort() } as never;
    const run = async () => {
      const config = { signal: abort.signal, callbacks: [heard] };
      const chain = createWeaveChain({ model, retriever });
      for await (const _ of await chain.stream({ input: 'Who eats bamboo?' }, config));
    };
    await expect(run()).rejects.toThrow(/abort/i);
    expect(abort.signal.aborted).toBe(true);
  }
  const { answer } = await createWeaveChain({ model, retriever }).invoke({ input: 'Bamboo?' });
  expect(answer).not.toBe('');
});

test("a sequence of LangChain's own with a prompt template weaves what stands between the markers", async () => {
  const prompt = ChatPromptTemplate.fromMessages([
    ['system', 'Answer from these documents.\n{context}'],
    ['human', '{question}'],
  ]);
  const context = RunnableSequence.from([retriever, RunnableLambda.from(documentsText)]);
  const chain = RunnableSequence.from([
    { context, question: new RunnablePassthrough<string>() },
    prompt,
    model,
  ]);
  const answer = (await chain.invoke('Who eats bamboo?')) as BaseMessage;
  expect(sourcesOf(answer).length).toBeGreaterThan(0);
  expect(await chain.pipe(new StringOutputParser()).invoke('Who eats fish?')).not.toBe('');
});

test('a graph with documents in its state weaves them turn after turn', async () => {
  const State = Annotation.Root({
    question: Annotation<string>(),
    documents: Annotation<Document[]>({ reducer: (_, next) => next, default: () => [] }),
    ...MessagesAnnotation.spec,
  });
  const graph = new StateGraph(State)
    .addNode('find', async ({ question }) => ({ documents: await retriever.invoke(question) }))
    .addNode('answer', async ({ question, documents }) => {
      const content = [...documentBlocks(documents), { type: 'text' as const, text: question }];
      return { messages: [await model.invoke([new HumanMessage({ content })])] };
    })
    .addEdge(START, 'find')
    .addEdge('find', 'answer')
    .addEdge('answer', END)
    .compile();
  const question = 'Who eats bamboo leaves?';
  const first = await graph.invoke({ question });
  const again = await graph.invoke({ question });
  expect(first.documents.length).toBeGreaterThan(0);
  const cached = sourcesOf(again.messages.at(-1) as BaseMessage).map((source) => source.cached);
  expect(cached).toEqual(cached.map(() => true));
});

test('an agent whose retriever tool was called answers from its artifact', async () => {
  const search = tool(
    async ({ query }) => {
      const found = await retriever.invoke(query);
      return [documentsText(found), found];
    },
    {
      name: 'search',
      schema: z.object({ query: z.string() }),
      responseFormat: 'content_and_artifact',
    },
  );
  const calls = [
    { id: '1', name: 'search', args: { query: 'bamboo' }, type: 'tool_call' as const },
  ];
  // Another model decides what to look for.
  const planner = RunnableLambda.from(() => new AIMessage({ content: '', tool_calls: calls }));
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('plan', async ({ messages }) => ({ messages: [await planner.invoke(messages)] }))
    .addNode('tools', new ToolNode([search]))
    .addNode('answer', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
    .addEdge(START, 'plan')
    .addEdge('plan', 'tools')
    .addEdge('tools', 'answer')
    .addEdge('answer', END)
    .compile();
  const { messages } = await graph.invoke({ messages: [new HumanMessage('Who eats bamboo?')] });
  expect(messages.map((message) => message.getType())).toEqual(['human', 'ai', 'tool', 'ai']);
  const [source] = sourcesOf(messages.at(-1) as BaseMessage);
  expect(source?.documentId).toMatch(/^pandas#/);
});
