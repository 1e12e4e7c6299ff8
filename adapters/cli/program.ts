import { ChunkweaveError } from '../../lib/index.js';
import type { Command, Io } from './command.js';
import { ask } from './commands/ask.js';
import { chat } from './commands/chat.js';
import { chunk } from './commands/chunk.js';
import { demo } from './commands/demo.js';
import { devices } from './commands/devices.js';
import { doctor } from './commands/doctor.js';
import { explain } from './commands/explain.js';
import { ingest } from './commands/ingest.js';
import { models } from './commands/models.js';
import { store } from './commands/store.js';
import { packageVersion } from './package.js';
import { Stopped } from './stopped.js';
import { UsageError } from './usage-error.js';

export const commands: readonly Command[] = [
  ask,
  chat,
  explain,
  ingest,
  chunk,
  demo,
  models,
  store,
  devices,
  doctor,
];

/** Exit code of a program that was stopped by something else than a signal of the system. */
const INTERRUPTED = 130;

/**
 * Runs the program; resolves to its exit code: 0 done, 1 failed, 2 not understood, 130 stopped by Ctrl-C, 143 by SIGTERM.
 */
export async function runProgram(args: readonly string[], io: Io): Promise<number> {
  const [name = '', ...rest] = args;
  try {
    if (['--version', '-v', 'version'].includes(name)) {
      io.stdout.write(`${packageVersion()}\n`);
      return 0;
    }
    const asksHelp = ['', '--help', '-h', 'help'].includes(name);
    const command = commands.find((candidate) => candidate.name === (asksHelp ? rest[0] : name));
    if (command && (asksHelp || rest.some((arg) => arg === '--help' || arg === '-h'))) {
      io.stdout.write(`${command.help}\n`);
      return 0;
    }
    if (asksHelp) {
      (name === '' ? io.stderr : io.stdout).write(`${overview()}\n`);
      return name === '' ? 2 : 0;
    }
    if (!command) {
      throw new UsageError(`There is no command "${name}". Run: chunkweave --help`);
    }
    return await command.run(rest, io);
  } catch (error) {
    return report(error, io);
  }
}

function report(error: unknown, { stderr, signal, env }: Io): number {
  if (signal.aborted) {
    stderr.write('\nStopped.\n');
    const { reason } = signal as { reason: unknown };
    return reason instanceof Stopped ? reason.exitCode : INTERRUPTED;
  }
  if (ChunkweaveError.isInstance(error)) {
    stderr.write(`${error.message}\n`);
    if (env['DEBUG']) stderr.write(`${error.stack ?? ''}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
  stderr.write(
    `chunkweave failed unexpectedly: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n` +
      'Please report this, with the output of: chunkweave doctor\n',
  );
  return 1;
}

function overview(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `chunkweave: answers from documents, woven from passages that were prefilled once

${lines.join('\n')}

  --help, -h     this, or with a command all that it understands
  --version, -v  the version

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 not understood, 130 stopped by Ctrl-C,
143 by SIGTERM.

CHUNKWEAVE_CACHE     folder for models, indexes and chunk KV (default: the cache folder of the system)
CHUNKWEAVE_MODEL     model where --model names none
CHUNKWEAVE_EMBEDDER  embedder where --embedder names none
CHUNKWEAVE_KV_BYTES  most bytes of chunk KV on disk (default 4 GiB)
NO_COLOR             no colours
DEBUG                where an error came from, with its message`;
}
