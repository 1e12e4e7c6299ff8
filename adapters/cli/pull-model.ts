import { type ModelNotice, type ModelProgress, resolveModel } from '../models/index.js';
import type { Io } from './command.js';
import { formatBytes } from './report/format.js';
import type { Terminal } from './report/terminal.js';

const failures: readonly ModelNotice['kind'][] = ['skipped', 'retry'];

/** Brings a model to a local file, with a bar and what a person should know. */
export async function pullModel(
  source: string,
  { env, cwd, signal }: Pick<Io, 'env' | 'cwd' | 'signal'>,
  terminal: Terminal,
  options: PullOptions = {},
) {
  const { sha256, retries, quiet = false, downloads = new Downloads(terminal) } = options;
  return resolveModel(source, {
    env,
    cwd,
    signal,
    ...(sha256 !== undefined && { sha256 }),
    ...(retries !== undefined && { retries }),
    onNotice: ({ kind, message }) => {
      if (!quiet || !failures.includes(kind)) terminal.note(message);
    },
    onProgress: downloads.watch(),
  });
}

export interface PullOptions {
  readonly sha256?: string | undefined;
  readonly retries?: number;
  /** Says nothing of what did not work: the caller does. Default false. */
  readonly quiet?: boolean;
  /** Shared by files that are fetched side by side. */
  readonly downloads?: Downloads;
}

/** One bar for all files that are fetched at a time. */
export class Downloads {
  readonly #terminal: Terminal;
  readonly #files: ModelProgress[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** What one more file is to report to. */
  watch(): (progress: ModelProgress) => void {
    let place: number | undefined;
    return (progress) => {
      place ??= this.#files.length;
      this.#files[place] = progress;
      this.#show();
    };
  }

  #show(): void {
    const sum = (of: (file: ModelProgress) => number): number =>
      this.#files.reduce((total, file) => total + of(file), 0);
    const bytes = sum((file) => file.bytes);
    const bytesPerSecond = sum((file) => file.bytesPerSecond);
    const speed = bytesPerSecond > 0 ? ` at ${formatBytes(bytesPerSecond)}/s` : '';
    const total = sum((file) => file.total || Number.NaN);
    if (total > 0) {
      const detail = `${formatBytes(bytes)} of ${formatBytes(total)}${speed}`;
      this.#terminal.progress('Downloading', bytes / total, detail);
    } else this.#terminal.status(`Downloading ${formatBytes(bytes)}${speed}`);
  }
}
