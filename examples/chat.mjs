// A conversation over the example documents: what was said, and the passages that it rests on, stay in place.
//
//   npm install chunkweave
//   node chat.mjs [model]          a GGUF file or an alias; default smollm2-135m-instruct
//   node chat.mjs --fake           no model: what it says means nothing, all else is the same

import { readFile } from 'node:fs/promises';
import { createWeave } from 'chunkweave';

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

const id = 'how-chunk-reuse-works.md';
const text = await readFile(new URL(`documents/${id}`, import.meta.url), 'utf8');
const weave = await createWeave({ engine, topK: 2, maxTokens: 32 });
await weave.ingest([{ id, text }], { budget: { milliseconds: 0 } });

const chat = weave.chat();
for (const question of [
  'Why are the keys of a passage rotated again?',
  'And what happens to its values?',
  'Which tokens are computed again then?',
]) {
  console.log(`> ${question}`);
  const stream = chat.stream(question);
  for await (const event of stream) if (event.type === 'delta') process.stdout.write(event.text);
  const { usage, sources, turn, notes } = await stream.answer;
  const fresh = sources.filter((source) => source.turn === turn).length;
  console.log(
    `\n[${usage.prompt} tokens of conversation: ${usage.cached} in place, ${usage.recomputed + usage.fresh} computed; ${fresh} new passages of ${sources.length}]`,
  );
  for (const note of notes) console.log(`(${note})`);
}

await chat.dispose();
await weave.dispose();
await engine.dispose();
