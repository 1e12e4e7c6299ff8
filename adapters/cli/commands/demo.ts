import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { emptyIndex, openCollection } from '../collection.js';
import type { Command, Io } from '../command.js';
import {
  embedderFlag,
  modelFlags,
  type Flags,
  parseFlags,
  warmupChoice,
  warmupFlag,
} from '../flags.js';
import { FolderIndex } from '../folder-index.js';
import { embedMs } from '../folder-weave.js';
import { embedAndWarm, indexCollection } from '../ingest-collection.js';
import { openModels } from '../models.js';
import { packageFolder } from '../package.js';
import { counted, formatTime } from '../report/format.js';
import { Terminal } from '../report/terminal.js';
import { askDefaults, askFlags, openStore, openWeave } from '../session.js';
import { type AskOutput, compareAnswers, streamAnswer } from './ask.js';

/** For making keys and values before the first question. */
const budgetMs = 10_000;

const questions = [
  'What does the president say about banning assault weapons?',
  'What does the president say about the border bill?',
];

const flags = {
  ...modelFlags,
  ...embedderFlag,
  ...askFlags,
  ...warmupFlag,
} as const satisfies Flags;

export const demo: Command = {
  name: 'demo',
  flags,
  summary: 'answer questions about documents that come along, and show what reuse gains',
  help: `chunkweave demo [options]

Indexes documents that come with chunkweave, makes vectors of their passages, prefills some for ten seconds,
and answers questions: woven from cached passages, then the same prompt by full prefill. On a terminal you may
then ask your own.

  --top-k N, --select HOW, --recompute SHARE, --max-tokens N, --warmup W, --model M, --embedder E, --device D,
  --threads N   as for ask`,

  async run(args, io) {
    const { values } = parseFlags(args, flags);
    const defaults = { maxTokens: 96, ...askDefaults(values) };
    const warmup = warmupChoice(values.warmup);
    const terminal = new Terminal(io);
    const models = await openModels(values, io, terminal);
    const { engine, embedder, modelName } = models;
    const store = openStore(io, engine, terminal);
    try {
      const folder = join(packageFolder(), 'examples', 'documents');
      const collection = await openCollection(folder, engine.model.fingerprint, io, {});
      const lexical = emptyIndex();
      const index = new FolderIndex({ collection, lexical, embedder, terminal });
      const { retriever } = index;
      const weave = await openWeave({ engine, store, retriever, warmup, defaults });
      try {
        const { device } = engine;
        terminal.line(`Model: ${modelName} on ${device.description || device.name}.`);
        if (values.model === undefined) {
          terminal.note('It is a very small one: larger ones (--model) answer better.');
        }
        const whole = { weave, collection, index, io, terminal };
        const { documents, chunks, tokens } = await indexCollection(whole);
        const budget = { milliseconds: budgetMs };
        const kv = await embedAndWarm(whole, { budget, milliseconds: embedMs });
        terminal.line(
          `${counted(documents, 'document')}, ${counted(chunks, 'passage')}, ${counted(tokens, 'token')}; ` +
            `${counted(kv.encoded, 'passage')} prefilled in ${formatTime(kv.milliseconds)}, ` +
            `${kv.cached} found cached.`,
        );
        const output: AskOutput = { weave, io, terminal };
        for (const question of questions) {
          terminal.line();
          terminal.title(`> ${question}`);
          const answer = await streamAnswer(question, output);
          terminal.note(
            'Once more, all passages cached, and beside it the same prompt by full prefill:',
          );
          await compareAnswers(question, output, answer);
        }
        if (io.stderr.isTTY && process.stdin.isTTY) await converse(output);
        return 0;
      } finally {
        await weave.dispose();
      }
    } finally {
      await store.close();
      await models.dispose();
    }
  },
};

async function converse(output: AskOutput): Promise<void> {
  const { io, terminal } = output;
  terminal.line();
  terminal.note('Ask your own question about these documents; an empty line leaves.');
  for (;;) {
    const question = await readLine(io);
    if (question.trim() === '') return;
    await streamAnswer(question, output);
  }
}

async function readLine({ signal }: Io): Promise<string> {
  // A new one for each question: while an answer runs, Ctrl-C belongs to the program.
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question('\n> ', { signal });
  } catch {
    return '';
  } finally {
    lines.close();
  }
}
