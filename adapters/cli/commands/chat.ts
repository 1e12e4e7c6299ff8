import { type AnswerEvent, type Chat, ChunkweaveError, type Weave } from '../../../lib/index.js';
import { abortable } from '../../../lib/weave/abortable.js';
import { lastFolder } from '../collection.js';
import type { Command, Io } from '../command.js';
import {
  embedderFlag,
  modelFlags,
  type Flags,
  parseFlags,
  warmupChoice,
  warmupFlag,
} from '../flags.js';
import { withFolderWeave } from '../folder-weave.js';
import { openModels } from '../models.js';
import { answerToJson, reuseLine } from '../report/answer.js';
import { Terminal } from '../report/terminal.js';
import { answerReporter, askDefaults, askFlags, describeStore, openStore } from '../session.js';
import { UsageError } from '../usage-error.js';
import { answerWriter, printSources } from './ask.js';

const flags = {
  ...modelFlags,
  ...embedderFlag,
  ...askFlags,
  ...warmupFlag,
  json: { type: 'boolean' },
} as const satisfies Flags;

export const chat: Command = {
  name: 'chat',
  flags,
  summary: 'talk about a folder of documents',
  help: `chunkweave chat [DIR] [options]

Reads questions, one a line, and answers each in the light of those before it. What was said and the passages that it
rests on stay in place, so a follow-up computes only what is new. Without DIR: the folder that was used last.
Questions may be piped in; the end of the input ends the conversation.

  /new               begin a new conversation
  /quit              end

  --top-k N          passages that are looked for with each question (default 8)
  --select HOW       cache (default) or top-k: as for ask
  --recompute SHARE  share of the passages' tokens to recompute: as for ask
  --max-tokens N     longest answer (default 256)
  --warmup W         prefix (default), document, neighbours or mean: as for ingest
  --model M          alias, path, hf:…, pypi:… or https://… (default smollm2-135m-instruct)
  --embedder E       alias, path or none: as for ask
  --device D         auto, cpu, vulkan, cuda or metal (default auto)
  --threads N        threads on the CPU
  --json             print one JSON object a line instead of text

Ends with 1 where a piped question could not be answered; the others are answered all the same.`,

  async run(args, io) {
    const { values, positionals } = parseFlags(args, flags);
    const defaults = askDefaults(values);
    const warmup = warmupChoice(values.warmup);
    const [given, ...rest] = positionals;
    if (rest.length > 0) {
      throw new UsageError(
        'chat takes a folder only; questions are typed or piped in, one a line.',
      );
    }
    const directory = given ?? (await lastFolder(io));
    const terminal = new Terminal(io);
    const models = await openModels(values, io, terminal);
    const { engine, embedder } = models;
    const store = openStore(io, engine, terminal);
    try {
      const parts = { directory, engine, embedder, store, warmup, defaults, io, terminal };
      return await withFolderWeave(parts, async (weave) => {
        const output = { weave, io, terminal };
        const code = await talk(output, values.json ? sayJson : sayText);
        if (!values.json) terminal.note(await describeStore(store));
        return code;
      });
    } finally {
      await store.close();
      await models.dispose();
    }
  },
};

interface Talk {
  readonly weave: Weave;
  readonly io: Io;
  readonly terminal: Terminal;
}

type Say = (chat: Chat, question: string, talk: Talk) => Promise<void>;

/** Answers line by line. Resolves to the exit code. */
async function talk(talk: Talk, say: Say): Promise<number> {
  const { weave, io, terminal } = talk;
  const typed = io.stdin?.isTTY ?? false;
  const prompt = () => {
    if (typed) io.stderr.write('> ');
  };
  let current = weave.chat();
  let code = 0;
  const lines = io.stdin?.lines()[Symbol.asyncIterator]();
  if (typed) terminal.note('Ask something. /new begins anew, /quit ends.');
  try {
    for (;;) {
      prompt();
      const next = lines && (await abortable(lines.next(), io.signal));
      const line = next && !next.done ? next.value.trim() : '/quit';
      if (line === '/quit') return code;
      if (line === '') continue;
      if (line === '/new') {
        await current.dispose();
        current = weave.chat();
        continue;
      }
      try {
        await say(current, line, talk);
      } catch (error) {
        if (io.signal.aborted || !ChunkweaveError.isInstance(error)) throw error;
        terminal.line(error.message);
        // Who types sees it and asks otherwise.
        if (!typed) code = 1;
      }
    }
  } finally {
    await lines?.return?.();
  }
}

async function sayText(chat: Chat, question: string, { weave, io, terminal }: Talk): Promise<void> {
  const show: (event: AnswerEvent) => void = answerWriter({ io, terminal });
  const stream = chat.stream(question, { signal: io.signal });
  for await (const event of stream) show(event);
  const answer = await stream.answer;
  printSources(answer, { terminal });
  terminal.line(reuseLine(answer, (await weave.stats()).msPerToken));
}

async function sayJson(chat: Chat, question: string, { io, terminal }: Talk): Promise<void> {
  const report = answerReporter(terminal);
  const stream = chat.stream(question, { signal: io.signal });
  for await (const event of stream) report(event);
  const answer = answerToJson(await stream.answer);
  terminal.clear();
  io.stdout.write(`${JSON.stringify({ question, answer })}\n`);
}
