import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { BadRecord } from '../../record/bad-record.js';
import type { ByteSource } from '../../record/byte-source.js';
import { readFully, ReadAhead } from './read-ahead.js';
import { ifPossible, ifThere, systemCode } from './system-error.js';

/** A link is never followed, and a pipe in a record's place is not waited for. Windows has no such flags. */
const plainOnly = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * Of larger files, the preamble is read first: that takes no time to speak of, and the memory for the rest is then of
 * the very size that was kept, which allocators can use again.
 */
const maxAheadBytes = 2 ** 24;

const aLink = 'a link stands in its place';

/** A record's file, open. It can be read to its end whatever happens to its name meanwhile. */
export interface StoredFile {
  readonly handle: FileHandle;
  readonly stats: Stats;
  readonly source: ByteSource;
}

export interface OpenStoredOptions {
  /** All of it is wanted: begins to read it at once. Default false. */
  readonly whole?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a record's file, for writing its count of hits too where that is allowed. Undefined where there is none.
 * @param check looks whether the folders above are what they should be.
 * @throws BadRecord where something else stands in its place; the system's error where it cannot be opened.
 */
export async function openStored(
  path: string,
  check: () => Promise<void>,
  { whole = false, signal }: OpenStoredOptions = {},
): Promise<StoredFile | undefined> {
  const needsLook = whole || constants.O_NOFOLLOW === undefined;
  const [opened, checked] = await Promise.allSettled([
    openPlain(path),
    Promise.all([needsLook ? ifPossible(lstat(path)) : undefined, check()]),
  ]);
  const handle = opened.status === 'fulfilled' ? opened.value : undefined;
  let ahead: ReadAhead | undefined;
  try {
    if (checked.status === 'rejected') throw checked.reason;
    if (opened.status === 'rejected') throw opened.reason;
    if (!handle) return undefined;
    const [seen] = checked.value;
    // Where opening follows links.
    if (constants.O_NOFOLLOW === undefined && seen?.isSymbolicLink()) throw new BadRecord(aLink);
    if (whole && seen?.isFile() && seen.size <= maxAheadBytes) {
      ahead = new ReadAhead(handle, seen.size, signal);
    }
    const stats = await handle.stat();
    if (!stats.isFile()) throw new BadRecord('it is no plain file');
    // What was seen may be another file than what was opened, but hardly ever is.
    if (ahead && ahead.length !== stats.size) {
      ahead.stop();
      ahead = undefined;
    }
    return { handle, stats, source: ahead ?? fileSource(handle, stats.size) };
  } catch (error) {
    ahead?.stop();
    await handle?.close();
    throw error;
  }
}

/** What is still being read is waited for, the rest is not read. */
export async function closeFile({ handle, source }: StoredFile): Promise<void> {
  if (source instanceof ReadAhead) source.stop();
  await ifPossible(handle.close());
}

function fileSource(handle: FileHandle, length: number): ByteSource {
  return { length, read: (target, at, signal) => readFully(handle, target, at, signal) };
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
        throw new BadRecord(aLink);
      case 'EISDIR':
        throw new BadRecord('a folder stands in its place');
      default:
        throw error;
    }
  }
}
