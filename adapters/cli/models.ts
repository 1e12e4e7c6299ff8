import { basename } from 'node:path';
import { ChunkweaveError } from '../../lib/errors.js';
import type { GgmlEmbedder } from '../ggml/embedder/embedder.js';
import type { GgmlEngine } from '../ggml/engine.js';
import { defaultEmbedder, defaultModel } from '../models/index.js';
import type { Io } from './command.js';
import { deviceChoice, embedderChoice, wholeNumber } from './flags.js';
import { Downloads, pullModel } from './pull-model.js';
import type { Terminal } from './report/terminal.js';

export interface ModelChoice {
  readonly model?: string | undefined;
  readonly embedder?: string | undefined;
  readonly device?: string | undefined;
  readonly threads?: string | undefined;
}

export interface OpenedModels {
  readonly engine: GgmlEngine;
  /** What the model was asked for by: names inside model files are often odd. */
  readonly modelName: string;
  /** Undefined where none is wanted or none can be had. */
  readonly embedder: GgmlEmbedder | undefined;
  dispose(): Promise<void>;
}

/**
 * The engine and the embedder that the flags ask for, fetched side by side. Without the embedder it goes on, and says so
 * in one line: lexical search needs none.
 */
export async function openModels(
  choice: ModelChoice,
  io: Io,
  terminal: Terminal,
): Promise<OpenedModels> {
  const device = deviceChoice(choice.device);
  const threads = wholeNumber('threads', choice.threads, 1);
  const options = { device, ...(threads !== undefined && { threads }), signal: io.signal };
  const wanted = embedderChoice(
    choice.embedder ?? io.env['CHUNKWEAVE_EMBEDDER'] ?? defaultEmbedder,
  );
  const source = choice.model ?? io.env['CHUNKWEAVE_MODEL'] ?? defaultModel;

  // Without the model the embedder is of no use.
  const needless = new AbortController();
  const signal = AbortSignal.any([io.signal, needless.signal]);
  const downloads = new Downloads(terminal);
  const fetched = orReason(
    wanted === undefined
      ? Promise.resolve(undefined)
      : pullModel(wanted, { ...io, signal }, terminal, { downloads, retries: 1, quiet: true }),
  );
  const { path, alias } = await pullModel(source, io, terminal, { downloads }).catch((error) => {
    needless.abort();
    throw error;
  });
  const vectors = await fetched;
  // Loaded here, not at the start: most commands do without native code.
  const { loadEngine } = await import('../ggml/engine.js');
  const engine = await loadEngine({
    ...options,
    model: path,
    onProgress: ({ share }) => terminal.progress('Loading model', share),
  });
  terminal.clear();
  for (const note of [...engine.model.notes, ...engine.chat.notes]) terminal.note(note);

  let embedder: GgmlEmbedder | undefined;
  try {
    const file = valueOf(vectors);
    if (file) {
      terminal.status('Loading embedder');
      const { loadEmbedder } = await import('../ggml/embedder/embedder.js');
      embedder = await loadEmbedder({ ...options, model: file.path });
    }
  } catch (error) {
    if (io.signal.aborted || !ChunkweaveError.isInstance(error)) {
      await engine.dispose();
      throw error;
    }
    terminal.line(
      `No embedder, so BM25 alone finds passages (${oneLine(error.message)} --embedder none keeps this quiet).`,
    );
  }
  terminal.clear();
  return {
    engine,
    embedder,
    modelName: alias ?? basename(path),
    async dispose() {
      await embedder?.dispose();
      await engine.dispose();
    },
  };
}

type Ended<T> = { readonly value: T } | { readonly reason: unknown };

/** Never rejects: what failed is looked at when its turn comes. */
function orReason<T>(work: Promise<T>): Promise<Ended<T>> {
  return work.then(
    (value) => ({ value }),
    (reason: unknown) => ({ reason }),
  );
}

/** @throws the reason of what failed. */
function valueOf<T>(ended: Ended<T>): T {
  if ('reason' in ended) throw ended.reason;
  return ended.value;
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}
