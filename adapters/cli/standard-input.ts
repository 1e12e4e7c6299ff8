import { createInterface } from 'node:readline';
import type { ReadStream } from 'node:tty';
import type { Input } from './command.js';

/** What is typed or piped in; read only once somebody asks for its lines. */
export function standardInput(stream: Pick<ReadStream, 'isTTY'> & NodeJS.ReadableStream): Input {
  return {
    isTTY: Boolean(stream.isTTY),
    // The terminal's own line editing, so that Ctrl-C stays a signal.
    lines: () => createInterface({ input: stream, terminal: false }),
  };
}
