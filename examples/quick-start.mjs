// A question about a folder, in one call.
//
//     npm run build && node examples/quick-start.mjs [FOLDER] ["QUESTION"]
//     node examples/quick-start.mjs --fake           no model: what it says means nothing, all else is the same
import { parseArgs } from 'node:util';
import { openWeave } from 'chunkweave/node';
import { FakeEngine } from 'chunkweave/testing';

const { values, positionals } = parseArgs({
  options: { fake: { type: 'boolean' } },
  allowPositionals: true,
});
const [folder = new URL('documents', import.meta.url).pathname, question = 'What is a chunk?'] =
  positionals;

const weave = await openWeave({
  documents: folder,
  topK: 2,
  ...(values.fake && { engine: new FakeEngine(), kvFolder: false }),
});
for (const turn of ['first', 'second']) {
  const stream = weave.stream(question, { maxTokens: 32 });
  for await (const event of stream) if (event.type === 'delta') process.stdout.write(event.text);
  const { sources, usage, timings } = await stream.answer;
  console.log(`\n${sources.map(({ documentId, start }) => `${documentId}@${start}`).join(', ')}`);
  const computed = usage.recomputed + usage.fresh;
  console.log(
    `${turn} time: ${usage.prompt} prompt tokens, ${computed} computed, first token after ${timings.firstToken.toFixed(0)} ms\n`,
  );
}
await weave.dispose();
