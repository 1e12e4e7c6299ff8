// An agent of LangGraph: a tool searches, its passages travel as an artifact, and chunkweave weaves them into the answer.
//
//     npm install chunkweave @langchain/core @langchain/langgraph zod
//     node langchain-agent.mjs [model]         a GGUF file or an alias; default smollm2-135m-instruct
//     node langchain-agent.mjs --fake          no model: what it says means nothing, all else is the same
import { AIMessage, HumanMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { bm25Retriever } from 'chunkweave';
import { ChatChunkweave, ChunkweaveRetriever, documentsText } from 'chunkweave/langchain';
import { z } from 'zod';

const [name = 'smollm2-135m-instruct'] = process.argv.slice(2);
const engine =
  name === '--fake'
    ? new (await import('chunkweave/testing')).FakeEngine()
    : await (await import('chunkweave/ggml')).loadEngine({ model: name });

const { tokenizer } = engine;
const retriever = new ChunkweaveRetriever({
  retriever: bm25Retriever(),
  k: 1,
  splitter: { tokenizer },
});
await retriever.addDocuments([
  { id: 'pandas', pageContent: 'Pandas eat bamboo, up to 38 kg a day.', metadata: {} },
  {
    id: 'otters',
    pageContent: 'Otters eat fish, and crush shells on their bellies.',
    metadata: {},
  },
]);

const search = tool(
  async ({ query }) => {
    const found = await retriever.invoke(query);
    return [documentsText(found), found];
  },
  {
    name: 'search',
    description: 'Finds passages about animals.',
    schema: z.object({ query: z.string() }),
    responseFormat: 'content_and_artifact',
  },
);

// A larger model decides what to look for: `model.bindTools([search], { tool_choice: 'search' }).invoke(messages)`, and
// `createReactAgent({ llm: model, tools: [search] })` is the whole agent. The default is too small; its question is searched for.
const plan = ({ messages }) => {
  const query = messages.at(-1).text;
  const call = {
    id: `call-${messages.length}`,
    name: 'search',
    args: { query },
    type: 'tool_call',
  };
  return { messages: [new AIMessage({ content: '', tool_calls: [call] })] };
};
const model = new ChatChunkweave({ engine, maxTokens: 32 });
const agent = new StateGraph(MessagesAnnotation)
  .addNode('plan', plan)
  .addNode('tools', new ToolNode([search]))
  .addNode('answer', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
  .addEdge(START, 'plan')
  .addEdge('plan', 'tools')
  .addEdge('tools', 'answer')
  .addEdge('answer', END)
  .compile();

for (const question of ['What do pandas eat?', 'How much do pandas eat?']) {
  const { messages } = await agent.invoke({ messages: [new HumanMessage(question)] });
  const answer = messages.at(-1);
  const { sources } = answer.response_metadata.chunkweave;
  const { input_tokens: prompt, input_token_details: cache } = answer.usage_metadata;
  console.log(`> ${question}\n${answer.text}`);
  console.log(
    `${sources.map(({ documentId }) => documentId)}; ${cache.cache_read} of ${prompt} prompt tokens cached\n`,
  );
}
await model.dispose();
await engine.dispose();
