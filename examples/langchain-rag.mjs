// Questions over the example documents with LangChain.js: split, retrieve, weave, answer.
//
//   npm install chunkweave @langchain/core
//   node langchain-rag.mjs [model]          a GGUF file or an alias; default smollm2-135m-instruct
//   node langchain-rag.mjs --fake           no model: what it says means nothing, all else is the same

import { readdir, readFile } from 'node:fs/promises';
import { Document } from '@langchain/core/documents';
import { bm25Retriever, markdownChunker } from 'chunkweave';
import { ChatChunkweave, ChunkweaveRetriever, createWeaveChain } from 'chunkweave/langchain';

const [name = 'smollm2-135m-instruct'] = process.argv.slice(2);
const engine = name === '--fake' ? await fakeEngine() : await loadModel(name);

async function loadModel(model) {
  const { loadEngine } = await import('chunkweave/ggml');
  return loadEngine({ model });
}

async function fakeEngine() {
  const { FakeEngine } = await import('chunkweave/testing');
  return new FakeEngine();
}

const folder = new URL('documents/', import.meta.url);
const names = (await readdir(folder)).filter((file) => file.endsWith('.md'));
const documents = await Promise.all(
  names.map(async (id) => {
    const pageContent = await readFile(new URL(id, folder), 'utf8');
    return new Document({ id, pageContent, metadata: { title: id } });
  }),
);

const { tokenizer } = engine;
const chunker = markdownChunker({ maxTokens: 100 });
const retriever = new ChunkweaveRetriever({
  retriever: bm25Retriever(),
  k: 2,
  splitter: { chunker, tokenizer },
});
await retriever.addDocuments(documents);

const model = new ChatChunkweave({ engine, maxTokens: 48 });
const chain = createWeaveChain({ model, retriever });

const tell = {
  handleLLMEnd({ generations: [[generation]] }) {
    const { input_tokens: prompt, input_token_details: cache } = generation.message.usage_metadata;
    const { firstToken } = generation.message.response_metadata.chunkweave.timings;
    console.log(
      `\n[${cache.cache_read} of ${prompt} prompt tokens from the cache, first token after ${firstToken.toFixed(0)} ms]\n`,
    );
  },
};

// The third question finds passages that the first one made.
for (const input of [
  'Why are the keys of a passage rotated again?',
  'What did the President say about insulin?',
  'How are the keys of a passage rotated to their new position?',
]) {
  console.log(`> ${input}`);
  for await (const { answer } of await chain.stream({ input }, { callbacks: [tell] })) {
    if (answer) process.stdout.write(answer);
  }
}

await model.dispose();
await engine.dispose();
