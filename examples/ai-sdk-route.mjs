// A streaming route over the AI SDK: answers from documents, woven from cached passages.
//
//     npm run build && node examples/ai-sdk-route.mjs            asks its own route once with a fake engine, and ends
//     node examples/ai-sdk-route.mjs --model smollm2-135m-instruct --serve
//
// then: curl -N -d '{"question": "How does chunk reuse work?"}' http://127.0.0.1:3000/
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { streamText } from 'ai';
import { createWeave } from 'chunkweave';
import { createChunkweave } from 'chunkweave/ai-sdk';
import { loadDocuments } from 'chunkweave/fs';

const { values } = parseArgs({
  options: { model: { type: 'string' }, serve: { type: 'boolean', default: false } },
});

const engine = values.model
  ? await (await import('chunkweave/ggml')).loadEngine({ model: values.model })
  : new (await import('chunkweave/testing')).FakeEngine();
const weave = await createWeave({ engine });
// Keys and values of passages are made when a question first needs them.
await weave.ingest(loadDocuments(new URL('documents', import.meta.url).pathname), {
  budget: { milliseconds: 0 },
});
const chunkweave = createChunkweave({ models: { docs: weave } });

const server = createServer(async (request, response) => {
  const leave = new AbortController();
  response.on('close', () => leave.abort());
  try {
    let body = '';
    for await (const piece of request) body += piece;
    const { question } = JSON.parse(body);
    const result = streamText({
      model: chunkweave('docs'),
      prompt: question,
      maxOutputTokens: 64,
      abortSignal: leave.signal,
      providerOptions: { chunkweave: { topK: 3 } },
      onError: ({ error }) => console.error(error),
    });
    result.pipeTextStreamToResponse(response);
    const { inputTokens, inputTokenDetails } = await result.usage;
    console.log(
      `${inputTokens} prompt tokens, ${inputTokenDetails.cacheReadTokens} of them cached`,
    );
  } catch (error) {
    if (!response.headersSent) response.writeHead(400);
    response.end(`${error.message}\n`);
  }
});
await new Promise((resolve) => server.listen(values.serve ? 3000 : 0, '127.0.0.1', resolve));
const address = `http://127.0.0.1:${server.address().port}/`;
console.log(`listening on ${address}`);

if (!values.serve) {
  for (let turn = 0; turn < 2; turn++) {
    const body = JSON.stringify({ question: 'How does chunk reuse work?' });
    const answer = await fetch(address, { method: 'POST', body });
    console.log(JSON.stringify((await answer.text()).slice(0, 60)));
  }
  await new Promise((resolve) => server.close(resolve));
  await weave.dispose();
  await engine.dispose();
}
