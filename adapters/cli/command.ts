import type { Flags } from './flags.js';

/** One command of the `chunkweave` program. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What it understands; its help has a word on each. */
  readonly flags: Flags;
  /** Full help text, without a trailing newline. */
  readonly help: string;
  /** Runs with the arguments after the command's name; resolves to the exit code. */
  run(args: readonly string[], io: Io): Promise<number>;
}

/** What a command may touch of the world: tests hand in their own. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Absent where nothing can be typed. */
  readonly stdin?: Input;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted by a signal of the system, with a {@link Stopped}. */
  readonly signal: AbortSignal;
}

export interface Output {
  write(text: string): void;
  /** True for a terminal: progress bars and colour are allowed (colour only without `NO_COLOR`). */
  readonly isTTY: boolean;
  readonly columns: number;
}

export interface Input {
  /** Somebody types: prompts are shown. */
  readonly isTTY: boolean;
  /** Lines without their ends, as they come. */
  lines(): AsyncIterable<string>;
}
