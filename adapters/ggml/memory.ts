import { totalmem } from 'node:os';
import { OutOfMemoryError } from '../../lib/errors.js';
import { availableMemory } from './available-memory.js';
import type { Backend } from './backend.js';

/** Left to the JavaScript heap, the tokenizer, and what else the process and its machine do. */
const MARGIN = 128 << 20;

/** Bytes that were granted and not written yet, so that the system does not count them as taken. */
let promised = 0;

/**
 * Refuses what the machine or the container has no room for. Linux would grant such memory, and end the
 * process when it is written.
 * @throws OutOfMemoryError
 */
export function checkMemory(
  backend: Pick<Backend, 'isCpu' | 'info'>,
  bytes: number,
  what: string,
): void {
  if (!backend.isCpu) return;
  if (bytes > availableMemory() - promised - margin()) {
    throw new OutOfMemoryError(what, bytes, backend.info.name);
  }
}

/**
 * {@link checkMemory} for memory that `task` writes bit by bit: what it has not written yet counts as taken.
 * @param task tells how many more bytes it has written.
 * @throws OutOfMemoryError
 */
export async function withMemory<T>(
  backend: Backend,
  bytes: number,
  what: string,
  task: (onWritten: (bytes: number) => void) => Promise<T>,
): Promise<T> {
  checkMemory(backend, bytes, what);
  let unwritten = backend.isCpu ? bytes : 0;
  promised += unwritten;
  const settle = (written: number): void => {
    const part = Math.min(written, unwritten);
    unwritten -= part;
    promised -= part;
  };
  try {
    return await task(settle);
  } finally {
    settle(unwritten);
  }
}

/** A small machine cannot leave as much. */
function margin(): number {
  return Math.min(MARGIN, totalmem() / 32);
}
