import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Answer, Comparison, Weave } from '../../../lib/index.js';
import {
  documentsOf,
  emptyIndex,
  lastFolder,
  openCollection,
  rememberFolder,
  restoreIndex,
  saveIndex,
} from '../collection.js';
import type { Command, Io } from '../command.js';
import { modelFlags, parseFlags, warmupChoice, warmupFlag } from '../flags.js';
import { openEngine } from '../model.js';
import { answerToJson, comparisonLine, reuseLine, sourceLines } from '../report/answer.js';
import { Terminal } from '../report/terminal.js';
import { askDefaults, askFlags, describeStore, openStore, openWeave } from '../session.js';
import { UsageError } from '../usage-error.js';

export const ask: Command = {
  name: 'ask',
  summary: 'answer a question about a folder of documents',
  help: `chunkweave ask [DIR] "question" [options]

Finds the passages of DIR that fit the question, weaves the prompt from their cached keys and values,
recomputes a share of the tokens and streams the answer. Without DIR: the folder that was used last.

  --compare          answer the same prompt by full prefill as well, and show both
  --top-k N          passages to retrieve (default 8)
  --recompute SHARE  share of the passages' tokens to recompute, 0 to 1 or in percent (default 15%)
  --max-tokens N     longest answer (default 256)
  --warmup W         prefix (default), document or neighbours: as for ingest
  --model M          alias, path, hf:…, pypi:… or https://… (default smollm2-135m-instruct)
  --device D         auto, cpu, vulkan, cuda or metal (default auto)
  --threads N        threads on the CPU
  --json             print one JSON object instead of text`,

  async run(args, io) {
    const { values, positionals } = parseFlags(args, {
      ...modelFlags,
      ...askFlags,
      ...warmupFlag,
      compare: { type: 'boolean' },
      json: { type: 'boolean' },
    });
    const defaults = askDefaults(values);
    const warmup = warmupChoice(values.warmup);
    const { directory, question } = await readArguments(positionals, io);
    const terminal = new Terminal(io);
    const { engine, modelName } = await openEngine(values, io, terminal);
    const store = openStore(io);
    try {
      const collection = await openCollection(directory, engine.model.fingerprint, io);
      const restored = await restoreIndex(collection);
      const retriever = restored ?? emptyIndex();
      const weave = await openWeave({ engine, store, retriever, warmup, defaults });
      try {
        if (!restored) {
          await weave.ingest(documentsOf(collection, io, terminal), {
            budget: { milliseconds: 0 },
            signal: io.signal,
          });
          await saveIndex(collection, retriever);
        }
        await rememberFolder(collection.path, io);
        const output: AskOutput = { weave, io, terminal };
        if (values.json)
          await printJson(
            { question, model: modelName, device: engine.device.name },
            values.compare ?? false,
            output,
          );
        else if (values.compare) await compareAnswers(question, output);
        else await streamAnswer(question, output);
        if (!values.json) terminal.note(await describeStore(store));
        return 0;
      } finally {
        await weave.dispose();
      }
    } finally {
      await store.close();
      await engine.dispose();
    }
  },
};

export interface AskOutput {
  readonly weave: Weave;
  readonly io: Io;
  readonly terminal: Terminal;
}

async function readArguments(
  positionals: readonly string[],
  io: Io,
): Promise<{ directory: string; question: string }> {
  const [first = '', second, ...rest] = positionals;
  if (rest.length > 0)
    throw new UsageError('Put the question in quotes: chunkweave ask DIR "question"');
  const question = second ?? first;
  if (question.trim() === '') {
    throw new UsageError('The question is empty. Run: chunkweave ask DIR "question"');
  }
  if (second !== undefined) return { directory: first, question };
  // A lone path is a forgotten question, not a question.
  if (await stat(resolve(io.cwd, first)).catch(() => undefined)) {
    throw new UsageError(
      `${first} is a path. Add the question: chunkweave ask ${first} "question"`,
    );
  }
  return { directory: await lastFolder(io), question };
}

/** Streams an answer to stdout; sources and numbers follow on stderr. */
export async function streamAnswer(question: string, output: AskOutput): Promise<Answer> {
  const { weave, io, terminal } = output;
  const stream = weave.stream(question, { signal: io.signal });
  for await (const event of stream) {
    switch (event.type) {
      case 'retrieved':
        terminal.status('Weaving the prompt');
        break;
      case 'encoding':
        terminal.progress('Prefilling new passages', event.done / Math.max(1, event.total));
        break;
      case 'delta':
        terminal.clear();
        io.stdout.write(event.text);
        break;
      default:
    }
  }
  const answer = await stream.answer;
  terminal.clear();
  if (answer.text !== '') io.stdout.write('\n');
  printSources(answer, output);
  terminal.line(reuseLine(answer, (await weave.stats()).msPerToken));
  return answer;
}

/**
 * Prints both answers to one prompt and how much sooner the woven one began.
 *
 * @param said the woven answer, where it was printed already: then only what differs is.
 */
export async function compareAnswers(
  question: string,
  output: AskOutput,
  said?: Answer,
): Promise<Comparison> {
  const { weave, io, terminal } = output;
  terminal.status('Answering: woven, then by full prefill');
  const comparison = await weave.compare(question, { signal: io.signal });
  const { woven, full, speedup } = comparison;
  terminal.clear();
  if (woven.text === full.text) {
    terminal.title(
      said?.text === full.text ? 'By full prefill: the same answer.' : 'Both answers are the same:',
    );
    if (said?.text !== full.text) io.stdout.write(`${woven.text}\n`);
  } else {
    if (said?.text !== woven.text) {
      terminal.title('Woven from cached passages:');
      io.stdout.write(`${woven.text}\n`);
    }
    terminal.title('By full prefill:');
    io.stdout.write(`${full.text}\n`);
  }
  if (!said) printSources(woven, output);
  terminal.line(comparisonLine(woven, full, speedup));
  return comparison;
}

function printSources(answer: Answer, { terminal }: AskOutput): void {
  terminal.line();
  for (const line of sourceLines(answer.sources)) terminal.line(line);
  for (const note of answer.notes) terminal.note(note);
  if (answer.sources.length > 0) terminal.line();
}

async function printJson(
  about: { readonly question: string; readonly model: string; readonly device: string },
  compare: boolean,
  { weave, io }: AskOutput,
): Promise<void> {
  const { question } = about;
  const result = compare
    ? await weave.compare(question, { signal: io.signal })
    : { woven: await weave.ask(question, { signal: io.signal }) };
  io.stdout.write(
    `${JSON.stringify({
      ...about,
      answer: answerToJson(result.woven),
      ...('full' in result && { full: answerToJson(result.full), speedup: result.speedup }),
    })}\n`,
  );
}
