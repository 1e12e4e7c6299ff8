// Prompts laid out so that a remote server's prefix cache hits, with hit rate and money.
//
//     npm run build && node examples/remote-layout.mjs           against a local server that caches prefixes like a real one
//     node examples/remote-layout.mjs --url http://127.0.0.1:8000/v1 --model MODEL --kind vllm
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { bm25Retriever, chunkDocument, recursiveChunker } from 'chunkweave';
import { loadDocuments } from 'chunkweave/fs';
import { createRemoteWeave } from 'chunkweave/openai';
import { FakeTokenizer } from 'chunkweave/testing';

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    model: { type: 'string', default: 'any' },
    kind: { type: 'string', default: 'vllm' },
  },
});

// Cutting needs a tokenizer. Any will do here: prompts go as text.
const tokenizer = new FakeTokenizer();
const retriever = bm25Retriever();
for await (const document of loadDocuments(new URL('documents', import.meta.url).pathname)) {
  await retriever.add(await chunkDocument(document, { tokenizer, chunker: recursiveChunker() }));
}

const local = values.url ? undefined : await startLocalServer();
const weave = createRemoteWeave({
  baseUrl: values.url ?? local.url,
  model: values.model,
  server: { kind: values.kind },
  retriever,
  topK: 4,
  system: 'Answer briefly, from the passages only.',
  prices: { prompt: 1, cached: 0.1, generated: 4 },
});

const questions = [
  'What is a chunk, and how is its KV reused?',
  'How is the KV of a chunk reused?',
  'Which chunk KV is reused, and how?',
  'What did the President say about jobs?',
  'Which jobs did the President speak about?',
];
for (const question of questions) {
  const { sources, shared, usage } = await weave.ask(question, { maxTokens: 64 });
  console.log(
    `${shared} of ${sources.length} passages as before; ${usage?.cached ?? '?'} of ${usage?.prompt} tokens cached: ${question}`,
  );
}
const { hitRate, cost, uncachedCost } = weave.report();
console.log({ hitRate, cost, uncachedCost });
await local?.close();

/** Counts words as tokens, in blocks of 16, and remembers every block that follows the same beginning. */
async function startLocalServer() {
  const blocks = new Set();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    const words = JSON.parse(body)
      .messages.map(({ content }) => content)
      .join(' ')
      .split(/\s+/);
    let cached = 0;
    let isKnown = true;
    for (let end = 16; end <= words.length; end += 16) {
      const beginning = words.slice(0, end).join(' ');
      isKnown &&= blocks.has(beginning);
      if (isKnown) cached = end;
      blocks.add(beginning);
    }
    const usage = {
      prompt_tokens: words.length,
      completion_tokens: 1,
      prompt_tokens_details: { cached_tokens: cached },
    };
    const choice = { index: 0, delta: { content: 'Yes.' }, finish_reason: 'stop' };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`data: ${JSON.stringify({ choices: [choice] })}\n\n`);
    response.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/v1`,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
