import type { AskDefaults, Embedder, Warmup, Weave } from '../../lib/index.js';
import type { GgmlEngine } from '../ggml/engine.js';
import {
  earlierIndex,
  openCollection,
  rememberFolder,
  restoreIndex,
  saveIndex,
} from './collection.js';
import type { Io } from './command.js';
import type { DocumentChoice } from './document-choice.js';
import { FolderIndex } from './folder-index.js';
import { indexCollection } from './ingest-collection.js';
import type { Terminal } from './report/terminal.js';
import { openWeave, type SessionStore } from './session.js';

export interface FolderWeaveParts {
  readonly directory: string;
  /** Which files of it; default those of the last time. */
  readonly documents?: DocumentChoice | undefined;
  readonly engine: GgmlEngine;
  readonly embedder: Embedder | undefined;
  readonly store: SessionStore;
  readonly warmup: Warmup;
  readonly defaults: AskDefaults;
  readonly io: Io;
  readonly terminal: Terminal;
}

/** What a question waits for passages to be embedded, in a folder that was not ingested. */
export const embedMs = 15_000;

/**
 * Runs `use` with a weave over a folder, indexed now where it was not before, and embedded as far as time allows; nothing
 * is prefilled for that.
 */
export async function withFolderWeave<T>(
  parts: FolderWeaveParts,
  use: (weave: Weave, index: FolderIndex) => Promise<T>,
): Promise<T> {
  const { directory, documents, engine, embedder, store, warmup, defaults, io, terminal } = parts;
  const collection = await openCollection(directory, engine.model.fingerprint, io, documents);
  const restored = await restoreIndex(collection);
  const lexical = restored ?? (await earlierIndex(collection));
  const index = new FolderIndex({ collection, lexical, embedder, terminal });
  const { retriever } = index;
  const weave = await openWeave({ engine, store, retriever, warmup, defaults });
  try {
    if (!restored) {
      await indexCollection({ weave, collection, io, terminal });
      await saveIndex(collection, lexical);
    }
    await rememberFolder(collection.path, io);
    await index.embed({ milliseconds: embedMs, signal: io.signal });
    return await use(weave, index);
  } finally {
    await weave.dispose();
  }
}
