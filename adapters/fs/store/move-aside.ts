import type { Stats } from 'node:fs';
import { link, lstat, rename, unlink } from 'node:fs/promises';
import { ifThere, systemCode } from './system-error.js';

/**
 * Moves away a file that was looked at, but no other that took its place meanwhile: that one is put back. To tell
 * them apart by their numbers, the one that was looked at must still be open.
 * @returns what was moved; undefined when it was no longer there.
 */
export async function moveAside(
  from: string,
  to: string,
  isMeant: (stats: Stats) => boolean,
): Promise<Stats | undefined> {
  const moved = await ifThere(rename(from, to).then(() => lstat(to)));
  if (!moved || isMeant(moved)) return moved;
  await putBack(to, from);
  return undefined;
}

/** Unless one that is newer still is there. */
async function putBack(path: string, to: string): Promise<void> {
  try {
    await link(path, to);
  } catch (error) {
    // Some file systems have no links.
    if (systemCode(error) !== 'EEXIST') return rename(path, to);
  }
  await unlink(path);
}
