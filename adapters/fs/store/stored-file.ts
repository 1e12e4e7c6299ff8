import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { BadRecord } from '../../record/bad-record.js';
import type { ByteSource } from '../../record/byte-source.js';
import { ifPossible, ifThere, systemCode } from './system-error.js';

/** A link is never followed, and a pipe in a record's place is not waited for. Windows has no such flags. */
const plainOnly = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** A record's file, open. It can be read to its end whatever happens to its name meanwhile. */
export interface StoredFile {
  readonly handle: FileHandle;
  readonly stats: Stats;
}

/**
 * Opens a record's file, for writing its count of hits too where that is allowed. Undefined where there is none.
 * @param check looks whether the folders above are what they should be.
 * @throws BadRecord where something else stands in its place; the system's error where it cannot be opened.
 */
export async function openStored(
  path: string,
  check: () => Promise<void>,
): Promise<StoredFile | undefined> {
  const [opened, checked] = await Promise.allSettled([
    openPlain(path),
    Promise.all([check(), refuseLink(path)]),
  ]);
  const handle = opened.status === 'fulfilled' ? opened.value : undefined;
  try {
    if (checked.status === 'rejected') throw checked.reason;
    if (opened.status === 'rejected') throw opened.reason;
    if (!handle) return undefined;
    const stats = await handle.stat();
    if (!stats.isFile()) throw new BadRecord('it is no plain file');
    return { handle, stats };
  } catch (error) {
    await handle?.close();
    throw error;
  }
}

export async function closeFile({ handle }: StoredFile): Promise<void> {
  await ifPossible(handle.close());
}

async function openPlain(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDWR | plainOnly);
  } catch (error) {
    switch (systemCode(error)) {
      case 'ENOENT':
        return undefined;
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        return ifThere(open(path, constants.O_RDONLY | plainOnly));
      case 'ELOOP':
      case 'EMLINK':
        throw new BadRecord('a link stands in its place');
      case 'EISDIR':
        throw new BadRecord('a folder stands in its place');
      default:
        throw error;
    }
  }
}

/** Where opening follows links. */
async function refuseLink(path: string): Promise<void> {
  if (constants.O_NOFOLLOW !== undefined) return;
  const stats = await ifPossible(lstat(path));
  if (stats?.isSymbolicLink()) throw new BadRecord('a link stands in its place');
}

/** The bytes of an open file. */
export function fileSource({ handle, stats }: StoredFile): ByteSource {
  return {
    length: stats.size,
    async read(target, at, signal) {
      let done = 0;
      while (done < target.byteLength) {
        signal?.throwIfAborted();
        const { bytesRead } = await handle.read(target, done, target.byteLength - done, at + done);
        if (bytesRead === 0) throw new BadRecord('it is cut short');
        done += bytesRead;
      }
    },
  };
}
