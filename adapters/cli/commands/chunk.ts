import { readFile, stat, writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { chunkView, sizeDistribution, viewPage } from '../../../lib/evaluate/index.js';
import {
  approximateTokens,
  type Chunk,
  chunkDocument,
  type Chunker,
  contentDefinedChunker,
  type Document,
  fixedChunker,
  htmlChunker,
  markdownChunker,
  recursiveChunker,
  sentenceChunker,
} from '../../../lib/index.js';
import { decodeText } from '../../fs/documents/decode.js';
import { defaultMaxFileBytes } from '../../fs/documents/types.js';
import { readDocuments } from '../../fs/index.js';
import type { Command, Io } from '../command.js';
import { modelFlags, parseFlags, wholeNumber } from '../flags.js';
import { openModels } from '../models.js';
import { Terminal } from '../report/terminal.js';
import { UsageError } from '../usage-error.js';

interface Sizes {
  readonly maxTokens: number;
  readonly overlapTokens?: number;
}

const chunkers: Readonly<Record<string, (sizes: Sizes) => Chunker>> = {
  recursive: recursiveChunker,
  fixed: fixedChunker,
  sentence: sentenceChunker,
  'content-defined': contentDefinedChunker,
  markdown: markdownChunker,
  html: htmlChunker,
};
const overlapping = new Set(['recursive', 'fixed', 'sentence']);

export const chunk: Command = {
  name: 'chunk',
  summary: 'cut one document into passages, and look at them',
  help: `chunkweave chunk FILE [--chunker NAME] [--size N] [--overlap N] [--html OUT.html] [--json] [--model M]

Cuts a document and prints its passages, or with --html writes a page that shows them in colours.

  --chunker NAME  ${Object.keys(chunkers).join(', ')}; default recursive
  --size N        most tokens of a passage; default 250
  --overlap N     tokens that a passage may repeat from the one before it; default 0
  --model M       count the tokens of this model; without it they are estimated`,

  async run(args, io) {
    const { values, positionals } = parseFlags(args, {
      ...modelFlags,
      chunker: { type: 'string' },
      size: { type: 'string' },
      overlap: { type: 'string' },
      html: { type: 'string' },
      json: { type: 'boolean' },
    });
    const [path, ...more] = positionals;
    if (path === undefined || more.length > 0) {
      throw new UsageError('Give one FILE. Run: chunkweave chunk --help');
    }
    const chunker = chunkerOf(values);
    const document = await documentAt(resolve(io.cwd, path), chunker, io);
    const chunks = await cut(document, chunker, values, io);
    if (values.html !== undefined) {
      const body = chunkView(document.text, [{ name: chunker.name, chunks }]);
      await writeFile(resolve(io.cwd, values.html), viewPage(`${document.id}`, body));
    }
    if (values.json) io.stdout.write(`${JSON.stringify(chunks.map(plain))}\n`);
    else io.stdout.write(`${summary(chunker, chunks, values.html)}\n`);
    return 0;
  },
};

function chunkerOf(values: {
  readonly chunker?: string | undefined;
  readonly size?: string | undefined;
  readonly overlap?: string | undefined;
}): Chunker {
  const { chunker: name = 'recursive' } = values;
  const make = Object.hasOwn(chunkers, name) ? chunkers[name] : undefined;
  if (!make) {
    throw new UsageError(
      `--chunker is "${name}"; give one of ${Object.keys(chunkers).join(', ')}.`,
    );
  }
  const maxTokens = wholeNumber('size', values.size, 4) ?? 250;
  const overlapTokens = wholeNumber('overlap', values.overlap, 0) ?? 0;
  if (overlapTokens > 0 && !overlapping.has(name)) {
    throw new UsageError(`--overlap does not go with --chunker ${name}.`);
  }
  return make({ maxTokens, ...(overlapTokens > 0 && { overlapTokens }) });
}

async function documentAt(path: string, chunker: Chunker, { signal }: Io): Promise<Document> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new UsageError(`${path} is no file.`);
  const id = basename(path);
  // The HTML chunker cuts the source of a page, the others what a reader of it sees.
  if (chunker.name.startsWith('html') && found.size <= defaultMaxFileBytes) {
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

async function cut(
  document: Document,
  chunker: Chunker,
  choice: { readonly model?: string | undefined; readonly device?: string | undefined },
  io: Io,
): Promise<Chunk[]> {
  const { signal } = io;
  if (choice.model === undefined) {
    const tokenized = await approximateTokens(document, { signal });
    return chunkDocument(tokenized, { chunker, signal });
  }
  const models = await openModels({ ...choice, embedder: 'none' }, io, new Terminal(io));
  const { engine } = models;
  try {
    return await chunkDocument(document, { tokenizer: engine.tokenizer, chunker, signal });
  } finally {
    await models.dispose();
  }
}

function plain({ id, start, end, text, tokens, metadata }: Chunk) {
  return { id, start, end, tokens: tokens.length, text, metadata };
}

function summary(chunker: Chunker, chunks: readonly Chunk[], page: string | undefined): string {
  if (chunks.length === 0) return `${chunker.name}: no chunks, the document is blank.`;
  const { mean, min, median, max } = sizeDistribution(chunks.map(({ tokens }) => tokens.length));
  const lines = [
    `${chunker.name}: ${chunks.length} chunks of ${min} to ${max} tokens, mean ${mean.toFixed(0)}, median ${median.toFixed(0)}`,
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
