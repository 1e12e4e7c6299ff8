import type { WriteStream } from 'node:tty';
import type { Output } from './command.js';

/**
 * A stream of the process. After its first failure what is written is dropped, and `onGone` hears of it once: an error
 * that nobody handles would end the process with a stack trace.
 */
export function standardOutput(
  stream: Pick<WriteStream, 'write' | 'on' | 'isTTY' | 'columns'>,
  onGone: (error: NodeJS.ErrnoException) => void = () => {},
): Output {
  let isGone = false;
  stream.on('error', (error) => {
    if (isGone) return;
    isGone = true;
    onGone(error);
  });
  return {
    write: (text) => {
      if (!isGone) stream.write(text);
    },
    isTTY: Boolean(stream.isTTY),
    get columns() {
      // Some terminals say that they are 0 wide.
      return stream.columns || 80;
    },
  };
}
