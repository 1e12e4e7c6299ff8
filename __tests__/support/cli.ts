import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

const main = join(import.meta.dirname, '..', '..', 'dist', 'adapters', 'cli', 'main.js');

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Folder for models, indexes and chunk KV. */
  readonly cache: string;
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Called with all that stderr said so far; may send signals. */
  readonly watch?: (stderr: string, child: ChildProcess) => void;
}

/** Runs the built program as a user does. */
export function chunkweave(args: readonly string[], options: CliOptions): Promise<Outcome> {
  const { cache, cwd, env, watch } = options;
  const { CHUNKWEAVE_MODEL: _model, ...inherited } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], {
      ...(cwd !== undefined && { cwd }),
      env: {
        ...inherited,
        CHUNKWEAVE_CACHE: cache,
        // Fetched by nobody, unless a test names one.
        CHUNKWEAVE_EMBEDDER: 'none',
        NO_COLOR: '1',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      watch?.(stderr, child);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
