import { basename } from 'node:path';
import type { GgmlEngine } from '../ggml/engine.js';
import { defaultModel, resolveModel } from '../models/index.js';
import type { Io } from './command.js';
import { deviceChoice, wholeNumber } from './flags.js';
import { formatBytes } from './report/format.js';
import type { Terminal } from './report/terminal.js';

export interface ModelChoice {
  readonly model?: string | undefined;
  readonly device?: string | undefined;
  readonly threads?: string | undefined;
}

/** Brings a model to a local file, with a bar and what a person should know. */
export async function pullModel(
  source: string,
  { env, cwd, signal }: Io,
  terminal: Terminal,
  options: { readonly sha256?: string | undefined } = {},
) {
  return resolveModel(source, {
    env,
    cwd,
    signal,
    ...(options.sha256 !== undefined && { sha256: options.sha256 }),
    onNotice: ({ message }) => terminal.note(message),
    onProgress: ({ bytes, total, bytesPerSecond }) => {
      const speed = bytesPerSecond > 0 ? ` at ${formatBytes(bytesPerSecond)}/s` : '';
      if (total) {
        const detail = `${formatBytes(bytes)} of ${formatBytes(total)}${speed}`;
        terminal.progress('Downloading', bytes / total, detail);
      } else terminal.status(`Downloading ${formatBytes(bytes)}${speed}`);
    },
  });
}

export interface OpenedEngine {
  readonly engine: GgmlEngine;
  /** What the model was asked for by: names inside model files are often odd. */
  readonly modelName: string;
}

/** The engine that the flags ask for. */
export async function openEngine(
  choice: ModelChoice,
  io: Io,
  terminal: Terminal,
): Promise<OpenedEngine> {
  const device = deviceChoice(choice.device);
  const threads = wholeNumber('threads', choice.threads, 1);
  const source = choice.model ?? io.env['CHUNKWEAVE_MODEL'] ?? defaultModel;
  const { path, alias } = await pullModel(source, io, terminal);
  // Loaded here, not at the start: most commands do without native code.
  const { loadEngine } = await import('../ggml/engine.js');
  const engine = await loadEngine({
    model: path,
    device,
    ...(threads !== undefined && { threads }),
    signal: io.signal,
    onProgress: ({ share }) => terminal.progress('Loading model', share),
  });
  terminal.clear();
  for (const note of [...engine.model.notes, ...engine.chat.notes]) terminal.note(note);
  return { engine, modelName: alias ?? basename(path) };
}
