import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Packr } from 'msgpackr';
import {
  type Bm25Retriever,
  bm25Retriever,
  type Document,
  restoreBm25Retriever,
} from '../../lib/index.js';
import { type DocumentFile, loadDocuments, statDocuments } from '../fs/index.js';
import { cacheFolder } from '../models/index.js';
import type { Io } from './command.js';
import { type DocumentChoice, keepChoice, loadOptionsOf, readChoice } from './document-choice.js';
import { DocumentNotes } from './document-notes.js';
import type { Terminal } from './report/terminal.js';
import { UsageError } from './usage-error.js';

/** A folder of documents, or one document, and where its saved index lies. */
export interface Collection {
  readonly path: string;
  readonly files: readonly DocumentFile[];
  readonly choice: DocumentChoice;
  /** What files about it are named by. */
  readonly name: string;
  readonly indexFile: string;
  /** Changes when a file or the tokenizer does. */
  readonly fingerprint: string;
  /** Fingerprint of the model whose tokens its passages are made of. */
  readonly model: string;
}

// Records would be shared between unlike objects and only cost time here.
const packr = new Packr({ useRecords: false });

/**
 * Looks at the files of a folder.
 *
 * @param given which files; kept for the next time. Without it what was kept counts.
 * @throws DocumentError when there are none.
 */
export async function openCollection(
  directory: string,
  modelFingerprint: string,
  io: Io,
  given?: DocumentChoice,
): Promise<Collection> {
  const path = resolve(io.cwd, directory);
  const name = createHash('sha256').update(path).digest('hex').slice(0, 24);
  const indexes = join(cacheFolder(io.env, io.cwd), 'indexes');
  const choiceFile = join(indexes, `${name}.documents.json`);
  const choice = given ?? (await readChoice(choiceFile));
  const files = await statDocuments(path, { ...loadOptionsOf(choice), signal: io.signal });
  if (given) await keepChoice(choiceFile, given);
  const hash = createHash('sha256').update(`${modelFingerprint}\n`);
  if (choice.recordText !== undefined) hash.update(`records ${choice.recordText}\n`);
  for (const file of files) hash.update(`${file.path}\n${file.fingerprint}\n`);
  const indexFile = join(indexes, `${name}.msgpack`);
  const fingerprint = hash.digest('hex');
  return { path, files, choice, name, indexFile, fingerprint, model: modelFingerprint };
}

/** The index as an earlier run saved it, when no file has changed since. */
export async function restoreIndex(collection: Collection): Promise<Bm25Retriever | undefined> {
  return savedIndex(collection, ({ fingerprint }) => fingerprint === collection.fingerprint);
}

/** The index as an earlier run saved it, of the files as they were then; an empty one where there is none of this model. */
export async function earlierIndex(collection: Collection): Promise<Bm25Retriever> {
  const saved = await savedIndex(collection, ({ model }) => model === collection.model);
  return saved ?? emptyIndex();
}

interface SavedIndex {
  readonly fingerprint: unknown;
  readonly model: unknown;
  readonly index: unknown;
}

async function savedIndex(
  { indexFile }: Collection,
  isWanted: (saved: SavedIndex) => boolean,
): Promise<Bm25Retriever | undefined> {
  try {
    const saved: unknown = packr.unpack(await readFile(indexFile));
    if (typeof saved !== 'object' || saved === null || !isWanted(saved as SavedIndex)) {
      return undefined;
    }
    return await restoreBm25Retriever((saved as SavedIndex).index);
  } catch {
    // Nothing saved, or damaged: the documents themselves are there.
    return undefined;
  }
}

/** Saves the index for the next run. Failing to is no error: the next run indexes again. */
export async function saveIndex(collection: Collection, index: Bm25Retriever): Promise<void> {
  const { indexFile, fingerprint, model } = collection;
  const beside = `${indexFile}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(indexFile), { recursive: true });
    const content = packr.pack({ fingerprint, model, index: index.toJSON() });
    await writeFile(beside, content, { mode: 0o600 });
    await rename(beside, indexFile);
  } catch {
    await rm(beside, { force: true });
  }
}

export function emptyIndex(): Bm25Retriever {
  return bm25Retriever();
}

/** The documents, with a line for each that is left out or read only in part. */
export async function* documentsOf(
  collection: Collection,
  io: Io,
  terminal: Terminal,
): AsyncGenerator<Document, void, void> {
  const notes = new DocumentNotes(terminal);
  yield* loadDocuments(collection.path, {
    ...loadOptionsOf(collection.choice),
    signal: io.signal,
    onSkip: (file) => notes.skipped(file),
    onWarning: (warning) => notes.warned(warning),
    onProgress: ({ filesDone, filesTotal, bytesDone, bytesTotal }) =>
      terminal.progress(
        'Indexing',
        bytesTotal > 0 ? bytesDone / bytesTotal : 1,
        `${filesDone} of ${filesTotal} files`,
      ),
  });
  notes.end();
}

/** Remembers which folder was used last, so that a question may come without one. */
export async function rememberFolder(path: string, io: Io): Promise<void> {
  const file = lastFolderFile(io);
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `${path}\n`);
  } catch {
    // A convenience only.
  }
}

/** @throws UsageError when no folder was used yet. */
export async function lastFolder(io: Io): Promise<string> {
  const path = await readFile(lastFolderFile(io), 'utf8').catch(() => '');
  if (path.trim() === '') {
    throw new UsageError('Which documents? Run: chunkweave ask DIR "question"');
  }
  return path.trimEnd();
}

function lastFolderFile({ env, cwd }: Io): string {
  return join(cacheFolder(env, cwd), 'last-folder');
}
