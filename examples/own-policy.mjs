// A policy of one's own: recompute the passages' numbers and names, since answers often rest on them, and the first tokens.
//
//     npm run build && node examples/own-policy.mjs
import { createWeave } from 'chunkweave';
import { FakeEngine } from 'chunkweave/testing';

function namesAndNumbers(tokenizer, first = 4) {
  const name = `names-and-numbers(${first})`;
  const isWanted = (token) => /^\s*[\p{Lu}\p{Nd}]/u.test(tokenizer.decode([token]));
  const plan = ({ passages }) => ({
    policy: name,
    passages: passages.flatMap(({ exact, tokens }, passage) => {
      if (exact) return []; // It is what a full prefill would give.
      const chosen = [...tokens.keys()].filter((i) => i < first || isWanted(tokens[i]));
      return [{ passage, tokens: Int32Array.from(chosen), reason: 'names, numbers, beginnings' }];
    }),
  });
  return { name, plan };
}

const engine = new FakeEngine();
const weave = await createWeave({ engine, policy: namesAndNumbers(engine.tokenizer) });
await weave.ingest([
  { id: 'rivers', text: 'The Rhine is 1233 km long. It rises in Switzerland.' },
  { id: 'lakes', text: 'Lake Geneva is 310 m deep, and the Rhine does not reach it.' },
]);
const { usage, plan } = await weave.ask('How long is the Rhine?', { maxTokens: 4 });
for (const { passage, tokens, reason } of plan.passages) {
  console.log(`passage ${passage}: ${tokens.length} tokens again (${reason})`);
}
console.log(usage);
await weave.dispose();
await engine.dispose();
