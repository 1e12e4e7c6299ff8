import type { AskDefaults, Warmup, Weave } from '../../lib/index.js';
import type { GgmlEngine } from '../ggml/engine.js';
import {
  documentsOf,
  emptyIndex,
  openCollection,
  rememberFolder,
  restoreIndex,
  saveIndex,
} from './collection.js';
import type { Io } from './command.js';
import type { Terminal } from './report/terminal.js';
import { openWeave, type SessionStore } from './session.js';

export interface FolderWeaveParts {
  readonly directory: string;
  readonly engine: GgmlEngine;
  readonly store: SessionStore;
  readonly warmup: Warmup;
  readonly defaults: AskDefaults;
  readonly io: Io;
  readonly terminal: Terminal;
}

/** Runs `use` with a weave over a folder, indexed now where it was not before; nothing is prefilled for that. */
export async function withFolderWeave<T>(
  { directory, engine, store, warmup, defaults, io, terminal }: FolderWeaveParts,
  use: (weave: Weave) => Promise<T>,
): Promise<T> {
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
    return await use(weave);
  } finally {
    await weave.dispose();
  }
}
