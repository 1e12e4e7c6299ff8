import { readFile, stat, writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { chunkView, sizeDistribution, viewPage } from '../../../lib/evaluate/index.js';
import {
  approximateTokens,
  type Chunk,
  chunkDocument,
  type Chunker,
  type ChunkingNotice,
  type Document,
} from '../../../lib/index.js';
import { decodeText } from '../../fs/documents/decode.js';
import { defaultMaxFileBytes } from '../../fs/documents/types.js';
import { readDocuments } from '../../fs/index.js';
import {
  embeddingChunkers,
  modelChunkers,
  overlappingChunkers,
  plainChunkers,
} from '../chunker-kinds.js';
import type { Command, Io } from '../command.js';
import { embedderFlag, modelFlags, type Flags, parseFlags, wholeNumber } from '../flags.js';
import { type ModelChoice, openModels } from '../models.js';
import { Terminal } from '../report/terminal.js';
import { UsageError } from '../usage-error.js';

const flags = {
  ...modelFlags,
  ...embedderFlag,
  chunker: { type: 'string' },
  size: { type: 'string' },
  overlap: { type: 'string' },
  html: { type: 'string' },
  json: { type: 'boolean' },
} as const satisfies Flags;

export const chunk: Command = {
  name: 'chunk',
  flags,
  summary: 'cut one document into passages, and look at them',
  help: `chunkweave chunk FILE [options]

Cuts a document and prints its passages, or with --html writes a page that shows them in colours.

  --chunker NAME  ${Object.keys(plainChunkers).join(', ')}; default recursive
                  with a model: ${Object.keys(modelChunkers).join(', ')}
  --size N        most tokens of a passage; default 250
  --overlap N     tokens that a passage may repeat from the one before it; default 0
  --html FILE     write a page that shows the passages in colours
  --json          print the passages as one JSON array
  --model M       count the tokens of this model; without it they are estimated, unless the chunker needs one
  --embedder E    tells the best of several answers of question-aware; none takes the first
  --device D      what the model is loaded on: auto, cpu, vulkan, cuda or metal (default auto)
  --threads N     threads on the CPU`,

  async run(args, io) {
    const { values, positionals } = parseFlags(args, flags);
    const [path, ...more] = positionals;
    if (path === undefined || more.length > 0) {
      throw new UsageError('Give one FILE. Run: chunkweave chunk --help');
    }
    const choice = chunkerChoice(values);
    const document = await documentAt(resolve(io.cwd, path), choice.name, io);
    const { name, chunks } = await cut(document, choice, values, io);
    if (values.html !== undefined) {
      const body = chunkView(document.text, [{ name, chunks }]);
      await writeFile(resolve(io.cwd, values.html), viewPage(`${document.id}`, body));
    }
    if (values.json) io.stdout.write(`${JSON.stringify(chunks.map(plain))}\n`);
    else io.stdout.write(`${summary(name, chunks, values.html)}\n`);
    return 0;
  },
};

interface ChunkerChoice {
  readonly name: string;
  readonly maxTokens: number;
  readonly overlapTokens: number;
}

function chunkerChoice(values: {
  readonly chunker?: string | undefined;
  readonly size?: string | undefined;
  readonly overlap?: string | undefined;
}): ChunkerChoice {
  const { chunker: name = 'recursive' } = values;
  const known = { ...plainChunkers, ...modelChunkers };
  if (!Object.hasOwn(known, name)) {
    throw new UsageError(`--chunker is "${name}"; give one of ${Object.keys(known).join(', ')}.`);
  }
  const maxTokens = wholeNumber('size', values.size, 4) ?? 250;
  const overlapTokens = wholeNumber('overlap', values.overlap, 0) ?? 0;
  if (overlapTokens > 0 && !overlappingChunkers.has(name)) {
    throw new UsageError(`--overlap does not go with --chunker ${name}.`);
  }
  return { name, maxTokens, overlapTokens };
}

async function documentAt(path: string, chunker: string, { signal }: Io): Promise<Document> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new UsageError(`${path} is no file.`);
  const id = basename(path);
  // The HTML chunker cuts the source of a page, the others what a reader of it sees.
  if (chunker === 'html' && found.size <= defaultMaxFileBytes) {
    const decoded = decodeText(await readFile(path, { signal }), { html: true });
    if ('binary' in decoded) throw new UsageError(`${path} is no text: ${decoded.binary}.`);
    return { id, text: decoded.text };
  }
  const file = { id, path, bytes: found.size, modifiedMs: found.mtimeMs, fingerprint: '' };
  const { documents, skipped } = await readDocuments(file, { signal });
  if (!documents) throw new UsageError(`${path} cannot be cut: ${skipped.detail}.`);
  if (documents.length > 1) {
    throw new UsageError(
      `${path} has ${documents.length} records, each a document; give a file with one text.`,
    );
  }
  return documents[0];
}

interface Cut {
  /** Of the chunker, with its settings. */
  readonly name: string;
  readonly chunks: readonly Chunk[];
}

async function cut(
  document: Document,
  { name, maxTokens, overlapTokens }: ChunkerChoice,
  choice: Pick<ModelChoice, 'model' | 'embedder' | 'device' | 'threads'>,
  io: Io,
): Promise<Cut> {
  const { signal } = io;
  const plain = plainChunkers[name]?.({ maxTokens, ...(overlapTokens > 0 && { overlapTokens }) });
  if (plain && choice.model === undefined) {
    const tokenized = await approximateTokens(document, { signal });
    return { name: plain.name, chunks: await chunkDocument(tokenized, { chunker: plain, signal }) };
  }
  const terminal = new Terminal(io);
  const wanted = embeddingChunkers.has(name) ? choice : { ...choice, embedder: 'none' };
  const models = await openModels(wanted, io, terminal);
  try {
    const notices: ChunkingNotice[] = [];
    const onNotice = (notice: ChunkingNotice) => notices.push(notice);
    const chunker = plain ?? (modelChunkers[name]?.({ maxTokens, models, onNotice }) as Chunker);
    const { tokenizer } = models.engine;
    const chunks = await chunkDocument(document, {
      tokenizer,
      chunker,
      signal,
      onProgress: (share) => terminal.progress('Cutting', share),
    });
    terminal.clear();
    for (const { message } of notices) terminal.line(message);
    return { name: chunker.name, chunks };
  } finally {
    await models.dispose();
  }
}

function plain({ id, start, end, text, tokens, metadata }: Chunk) {
  return { id, start, end, tokens: tokens.length, text, metadata };
}

function summary(name: string, chunks: readonly Chunk[], page: string | undefined): string {
  if (chunks.length === 0) return `${name}: no chunks, the document is blank.`;
  const { mean, min, median, max } = sizeDistribution(chunks.map(({ tokens }) => tokens.length));
  const lines = [
    `${name}: ${chunks.length} chunks of ${min} to ${max} tokens, mean ${mean.toFixed(0)}, median ${median.toFixed(0)}`,
  ];
  if (page === undefined) {
    for (const { text, tokens, metadata } of chunks) {
      const first = text.trim().split('\n', 1)[0]?.slice(0, 70) ?? '';
      lines.push(`  ${placeIn(metadata)}, ${tokens.length} tokens: ${first}`);
    }
  } else lines.push(`The page is at ${page}`);
  return lines.join('\n');
}

function placeIn(metadata: Chunk['metadata']): string {
  const { line, page } = metadata ?? {};
  return line === undefined ? `page ${page}` : `line ${line}`;
}
