import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { codeOf, DiskFailure, messageOf } from './failures.js';

const advice = 'Free some space, or set CHUNKWEAVE_CACHE to a folder on another disk.';

/** Says what a person can do about a failed write; other errors are returned as they are. */
export function explainDisk(error: unknown, path: string): unknown {
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new DiskFailure(`the disk that holds ${path} is full. ${advice}`, { cause: error });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new DiskFailure(
        `${path} cannot be written (${codeOf(error)}). Change its permissions, or set CHUNKWEAVE_CACHE to a folder of yours.`,
        { cause: error },
      );
    case 'ENOTDIR':
    case 'EEXIST':
      return new DiskFailure(
        `${path} cannot be made: a file is in its place. Remove it, or set CHUNKWEAVE_CACHE to another folder.`,
        { cause: error },
      );
    case 'EIO':
    case 'EFBIG':
    case 'ENAMETOOLONG':
    case 'EMFILE':
    case 'EBUSY':
      return new DiskFailure(`${path} cannot be written: ${messageOf(error)}`, { cause: error });
    default:
      return error;
  }
}

/** Runs `work` on `path`, with disk errors explained. */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainDisk(error, path);
  }
}

export async function makeFolder(path: string): Promise<void> {
  await onDisk(path, () => mkdir(path, { recursive: true, mode: 0o755 }));
}

/** Fails early rather than after gigabytes. A file system that cannot tell its space is taken at its word. */
export async function ensureRoom(folder: string, bytes: number): Promise<void> {
  if (!(bytes > 0)) return;
  const space = await statfs(folder).catch(() => undefined);
  if (!space || space.blocks === 0) return;
  const available = space.bavail * space.bsize;
  if (available >= bytes) return;
  throw new DiskFailure(
    `the disk that holds ${folder} has ${megabytes(available)} left and ${megabytes(bytes)} are needed. ${advice}`,
  );
}

export function megabytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${Math.ceil(bytes / 1e3)} KB`;
}

/** Size in bytes, or undefined when there is no such file. */
export async function fileSize(path: string): Promise<number | undefined> {
  const stats = await stat(path).catch(() => undefined);
  return stats?.isFile() ? stats.size : undefined;
}

/** Readers see the old content or the new, never a part of it. */
export async function writeWhole(path: string, content: string): Promise<void> {
  const beside = `${path}.${randomUUID()}.tmp`;
  await onDisk(path, async () => {
    try {
      await writeFile(beside, content, { flush: true });
      await rename(beside, path);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
  });
}

/** Hex digest of a file's content. */
export async function hashFile(
  path: string,
  algorithm: string,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    signal?.throwIfAborted();
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}
