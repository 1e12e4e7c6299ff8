import { lstat, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ifThere } from './system-error.js';

/*
 * A store's folder:
 *   <access>/           one a tenant and access label, named by a hash: see accessName()
 *     3f/               256 of them, by the first digits of the key, so that none grows large
 *       <key>.kv        a record
 *       .tmp-<uuid>     one that is being written
 *     leases/           <key>: who is computing a record
 *     quarantine/       <key>.<uuid>: records that were found damaged
 */

export const recordName = /^([0-9a-f]{64}(?:\.[0-9a-f]{32})?)\.kv$/;
export const temporaryName = /^\.tmp-[0-9a-f-]{36}$/;
export const shardName = /^[0-9a-f]{2}$/;

/** A link or a file stands where a folder of the store should be. Nothing is read or written through it. */
export class NotAFolder extends Error {
  readonly code = 'ENOTDIR';
  readonly syscall = 'lstat';

  constructor(path: string) {
    super(`${path} is no folder, or a link to one`);
  }
}

/** Where everything of one tenant and label stands. */
export class Places {
  readonly #directory: string;
  readonly #home: string;
  readonly leases: string;
  readonly quarantine: string;
  /** Folders whose names have been brought to the disk. */
  readonly #kept = new Set<string>();

  constructor(directory: string, access: string) {
    this.#directory = directory;
    this.#home = join(directory, access);
    this.leases = join(this.#home, 'leases');
    this.quarantine = join(this.#home, 'quarantine');
  }

  /** Chosen by whoever opened the store, and trusted: it may be a link. */
  get directory(): string {
    return this.#directory;
  }

  get home(): string {
    return this.#home;
  }

  /** The folder of a key's record, and of those of the other variants of its chunk. */
  shardOf(key: string): string {
    return join(this.#home, key.slice(0, 2));
  }

  fileOf(key: string): string {
    return join(this.shardOf(key), `${key}.kv`);
  }

  leaseOf(key: string): string {
    return join(this.leases, key);
  }

  /**
   * Looks whether a folder of the store, and the one above, are plain folders. Those that are not there are fine.
   * @throws NotAFolder
   */
  async check(folder: string): Promise<void> {
    await Promise.all([checkFolder(this.#home), folder !== this.#home && checkFolder(folder)]);
  }

  /** Makes a folder of the store, readable by its owner only; `durable` makes it outlast a loss of power. */
  async make(folder: string, { durable = false } = {}): Promise<void> {
    // Above the store's own folder, everything is the caller's.
    const highest = await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const path of folder === this.#home ? [folder] : [this.#home, folder]) {
      const made = await makeOne(path);
      if (!made) await checkFolder(path);
      if (durable) await this.#keepName(path, made);
    }
    if (durable) await this.#keepName(this.#directory, highest !== undefined, highest);
  }

  /** Once for each folder, whoever made it: that process may not have come to it yet. */
  async #keepName(path: string, made: boolean, highest = path): Promise<void> {
    if (this.#kept.has(path) && !made) return;
    for (let below = path; below.length >= highest.length; below = dirname(below)) {
      await syncFolder(dirname(below));
      if (below === dirname(below)) break;
    }
    this.#kept.add(path);
  }
}

/** Brings a folder's list of names to the disk. */
export async function syncFolder(path: string): Promise<void> {
  // There is no such call for folders on Windows.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function checkFolder(path: string): Promise<void> {
  const found = await ifThere(lstat(path));
  if (found && !found.isDirectory()) throw new NotAFolder(path);
}

/** False where it was there. */
async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error;
    return false;
  }
}
