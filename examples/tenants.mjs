// One model, many tenants: an HTTP service in which no tenant can use, see or time the keys and values of another.
//
//     npm run build && node examples/tenants.mjs --fake            asks itself as two tenants, and ends
//     node examples/tenants.mjs --model smollm2-135m-instruct --serve
//
// then: curl -H 'x-tenant: acme' -d '{"question": "How does chunk reuse work?"}' http://127.0.0.1:3000/
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { createWeave, memoryStore } from 'chunkweave';
import { FakeEngine } from 'chunkweave/testing';

const { values } = parseArgs({
  options: {
    fake: { type: 'boolean' },
    model: { type: 'string', default: 'smollm2-135m-instruct' },
    serve: { type: 'boolean', default: false },
  },
});
const engine = values.fake
  ? new FakeEngine()
  : await (await import('chunkweave/ggml')).loadEngine({ model: values.model });

// In earnest, who asks is known from a checked token, never from a header that anybody may set.
const documents = {
  acme: [{ id: 'pay', text: 'Salaries are paid on the 25th of each month.' }],
  globex: [{ id: 'pay', text: 'Salaries are paid on the 25th of each month.' }],
};

/** A weave for each tenant, made when it first asks. Keys are derived from the tenant, so equal texts share nothing. */
const weaves = new Map();
function weaveOf(tenant) {
  if (!Object.hasOwn(documents, tenant)) throw new Error(`There is no tenant "${tenant}".`);
  if (!weaves.has(tenant)) weaves.set(tenant, open(tenant));
  return weaves.get(tenant);
}
async function open(tenant) {
  const store = memoryStore({ tenant, maxBytes: 64 * 2 ** 20 });
  const weave = await createWeave({ engine, store, tenant, cells: 2048 });
  await weave.ingest(documents[tenant], { budget: { milliseconds: 0 } });
  return weave;
}

const server = createServer(async (request, response) => {
  const leave = new AbortController();
  response.on('close', () => leave.abort());
  try {
    let body = '';
    for await (const piece of request) body += piece;
    const weave = await weaveOf(request.headers['x-tenant']);
    const { signal } = leave;
    const { text, usage } = await weave.ask(JSON.parse(body).question, { maxTokens: 32, signal });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ text, cached: usage.cached, prompt: usage.prompt }));
  } catch (error) {
    if (!response.headersSent) response.writeHead(400);
    response.end(`${error.message}\n`);
  }
});
await new Promise((resolve) => server.listen(values.serve ? 3000 : 0, '127.0.0.1', resolve));
const address = `http://127.0.0.1:${server.address().port}/`;
console.log(`listening on ${address}`);

if (!values.serve) {
  const body = JSON.stringify({ question: 'When are salaries paid?' });
  for (const tenant of ['acme', 'acme', 'globex', 'mallory']) {
    const answer = await fetch(address, { method: 'POST', headers: { 'x-tenant': tenant }, body });
    const told = answer.ok ? JSON.stringify(await answer.json()) : (await answer.text()).trim();
    console.log(`${tenant}: ${told}`);
  }
  await new Promise((resolve) => server.close(resolve));
  for (const weave of weaves.values()) await (await weave).dispose();
  await engine.dispose();
}
