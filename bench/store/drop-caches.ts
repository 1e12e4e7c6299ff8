import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export const cannotDropCaches = 'page caches can be dropped by root on Linux only';

/** What is not on the disk yet stays in memory, so it goes there first. False where this process may not. */
export async function dropCaches(): Promise<boolean> {
  try {
    await promisify(execFile)('sync');
    await writeFile('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}
