import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { codeOf } from './failures.js';
import { pause } from './pause.js';

const beatMs = 2000;
/** Without a sign of life for so long, the holder is taken for dead. */
const staleMs = 20_000;
const pollMs = 200;

/**
 * Runs `work` while no other process runs its own under the same file. A holder that died is noticed: at once on the
 * same machine, else by its silence.
 *
 * `onWait` is called once when there is somebody to wait for.
 */
export async function withLock<T>(
  path: string,
  { signal, onWait }: { signal?: AbortSignal | undefined; onWait?: () => void },
  work: () => Promise<T>,
): Promise<T> {
  const token = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  let waited = false;
  while (!(await take(path, token))) {
    if (await removeDead(path)) continue;
    if (!waited) onWait?.();
    waited = true;
    await pause(pollMs, signal);
  }
  const beat = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now).catch(() => {});
  }, beatMs);
  beat.unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    if ((await read(path)) === token) await rm(path, { force: true });
  }
}

async function take(path: string, token: string): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await open(path, 'wx');
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  try {
    await file.writeFile(token);
    return true;
  } catch (error) {
    // A full disk: without its token, the file would look like the lock of somebody else.
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Under a lock of its own: of two that find the holder dead, the second must not remove the first's new lock. */
async function removeDead(path: string): Promise<boolean> {
  if (!(await isDead(path))) return false;
  const guard = `${path}.removal`;
  if (!(await take(guard, ''))) {
    if (await isSilent(guard)) await rm(guard, { force: true });
    return false;
  }
  try {
    if (await isDead(path)) await rm(path, { force: true });
    return true;
  } finally {
    await rm(guard, { force: true });
  }
}

async function isDead(path: string): Promise<boolean> {
  const token = await read(path);
  if (token === undefined) return false;
  const holder = parse(token);
  if (holder?.host === hostname() && !isRunning(holder.pid)) return true;
  return isSilent(path);
}

async function isSilent(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && Date.now() - stats.mtimeMs > staleMs;
}

function parse(token: string): { pid: number; host: string } | undefined {
  try {
    const value: unknown = JSON.parse(token);
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, host } = value as { pid?: unknown; host?: unknown };
    return typeof pid === 'number' && typeof host === 'string' ? { pid, host } : undefined;
  } catch {
    // Just made, not yet written.
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

async function read(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}
