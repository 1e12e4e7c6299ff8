import { totalmem } from 'node:os';
import { OutOfMemoryError } from '../../lib/errors.js';
import type { Backend } from './backend.js';

/**
 * Refuses what the machine or the container can never hold. Linux would grant such memory, and end the
 * process when it is written.
 * @throws OutOfMemoryError
 */
export function checkMemory(backend: Backend, bytes: number, what: string): void {
  if (!backend.isCpu) return;
  const most = Math.min(totalmem(), process.constrainedMemory() || Infinity);
  if (bytes > most) throw new OutOfMemoryError(what, bytes, backend.info.name);
}
