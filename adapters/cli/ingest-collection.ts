import type { IngestReport, KvBudget, Weave } from '../../lib/index.js';
import { type Collection, documentsOf } from './collection.js';
import type { Io } from './command.js';
import type { EmbedOptions, FolderIndex } from './folder-index.js';
import type { Terminal } from './report/terminal.js';
import { ingestReporter } from './session.js';

export interface IngestParts {
  readonly weave: Weave;
  readonly collection: Collection;
  /** What the weave searches. */
  readonly index: FolderIndex;
  readonly io: Io;
  readonly terminal: Terminal;
}

/**
 * Cuts and indexes the documents of a folder, beside what the index has of it from an earlier run; what is in no file any
 * more goes. Nothing is embedded or prefilled.
 */
export function indexCollection({
  weave,
  collection,
  io,
  terminal,
}: Omit<IngestParts, 'index'>): Promise<IngestReport> {
  return weave.ingest(documentsOf(collection, io, terminal), {
    budget: { milliseconds: 0 },
    complete: true,
    signal: io.signal,
  });
}

/** Embeds the passages, then makes keys and values: which ones questions need first, the vectors have a say in. */
export async function embedAndWarm(
  { weave, index, io, terminal }: IngestParts,
  { budget, ...limit }: { readonly budget: KvBudget } & Omit<EmbedOptions, 'signal'>,
): Promise<IngestReport['kv']> {
  const { signal } = io;
  await index.embed({ ...limit, signal });
  return weave.warm({ budget, signal, onProgress: ingestReporter(terminal) });
}
