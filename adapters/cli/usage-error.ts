import { ChunkweaveError } from '../../lib/errors.js';

/** The command line cannot be understood; the message says how to write it. */
export class UsageError extends ChunkweaveError {
  constructor(message: string) {
    super('USAGE', message);
  }
}
