import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { loadEngine } from '../../../adapters/ggml/index.js';
import { openReference } from '../../../adapters/ggml/reference.js';
import {
  createWeave,
  fullPolicy,
  type Chat,
  type ChatAnswer,
  recursiveChunker,
} from '../../../lib/index.js';
import { distance } from '../../support/logits.js';
import { watchLogits } from '../../support/logits-watch.js';
import { runtime, scratch, tinyFile } from '../../support/native.js';

const documents = ['otter', 'panda', 'koala', 'lemur'].map((animal) => ({
  id: animal,
  text: `The ${animal} lives where it likes to. A ${animal} eats what it finds, and sleeps a lot.`,
}));
const questions = ['What does the otter eat?', 'And the panda?', 'Where does the koala live?'];

test.each(['llama', 'qwen3'] as const)(
  'each turn of a conversation of %s has the logits of llama.cpp on all of its tokens',
  async (architecture) => {
    const path = await tinyFile({ architecture });
    const hashCache = join(scratch, `chat-${architecture}.json`);
    await using engine = await loadEngine({ model: path, device: 'cpu', threads: 1, hashCache });
    const reference = await openReference(runtime(), { path, contextLength: 2048, threads: 1 });
    const rows = watchLogits(engine);
    const { vocabSize } = engine.model;
    const options = { topK: 1, maxTokens: 6, chunker: recursiveChunker({ maxTokens: 80 }) };
    await using weave = await createWeave({
      engine,
      cells: 1536,
      policy: fullPolicy(),
      ...options,
    });
    await weave.ingest(documents);

    async function expectExact(chat: Chat, question: string): Promise<ChatAnswer> {
      const at = rows.length;
      const answer = await chat.ask(question);
      const { usage } = answer;
      expect(usage.cached + usage.recomputed + usage.fresh).toBe(usage.prompt);
      reference.clear();
      const prompt = (await chat.tokens()).slice(0, usage.prompt);
      const theirs = await reference.decode(prompt, { logits: 'last' });
      const apart = distance(theirs, rows[at]!, vocabSize);
      expect(apart.kl).toBeLessThan(5e-6);
      expect(apart.deviations).toBeLessThan(0.02);
      return answer;
    }
    try {
      await using chat = weave.chat();
      for (const question of questions) await expectExact(chat, question);
      // From a fork, and woven anew after others needed the cells.
      await using fork = chat.fork();
      await expectExact(fork, 'Who sleeps?');
      const others = Array.from({ length: 4 }, () => weave.chat({ maxTokens: 250 }));
      await Promise.all(others.map((other) => other.ask('What does the lemur eat?')));
      for (const other of others) await other.dispose();
      const { notes } = await expectExact(chat, 'Who sleeps?');
      expect(notes.join()).toMatch(/in no cells any more/);
    } finally {
      await reference.dispose();
    }
  },
);
