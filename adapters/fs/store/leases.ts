import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isKey } from '../../../lib/store/chunk-key.js';
import type { Lease } from '../../../lib/store/chunk-store.js';
import { assertLeaseMs, freeLease, HeldLeases, maxLeaseMs } from '../../record/held-leases.js';
import { moveAside } from './move-aside.js';
import type { Places } from './places.js';
import { ifPossible, ifThere, systemCode } from './system-error.js';

const content = /^([0-9a-f-]{36}) ([0-9]{1,8})$/;
const contentBytes = 64;
const readFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * Who computes a record, among all processes that share the folder: a file a lease, made so that only one can make
 * it. It ends when its time is over, by the time of the file. A clock that was set back does not prolong it beyond
 * twice its time, and one that was set forward ends it early: then two compute the same, which does no harm.
 */
export class Leases {
  readonly #places: Places;
  readonly #held = new HeldLeases();

  constructor(places: Places) {
    this.#places = places;
  }

  /**
   * Undefined while someone else has it. Where the folder cannot be written there is nobody to agree with, and
   * everyone gets a lease.
   * @throws InvalidArgumentError for a time that is none, or above a day.
   */
  async take(key: string, ttlMs: number): Promise<Lease | undefined> {
    assertLeaseMs(ttlMs);
    const path = this.#places.leaseOf(key);
    try {
      for (let attempt = 0; attempt < 3; attempt++) {
        const handle = await this.#make(path);
        if (handle) return await this.#write(handle, path, ttlMs);
        if (!(await removeExpired(path, ttlMs))) return undefined;
      }
      return undefined;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return freeLease;
    }
  }

  releaseAll(): Promise<void> {
    return this.#held.releaseAll();
  }

  /** Removes those whose time is over; tells how many. */
  async compact(): Promise<number> {
    const { leases } = this.#places;
    const names = await ifPossible(this.#places.check(leases).then(() => readdir(leases)));
    let removed = 0;
    for (const name of names ?? []) {
      const path = join(leases, name);
      const isLease = isKey(name) || asideName.test(name);
      if (isLease && (await ifPossible(removeExpired(path, maxLeaseMs)))) removed++;
    }
    return removed;
  }

  /** Undefined where there is one already. */
  async #make(path: string): Promise<FileHandle | undefined> {
    await this.#places.make(this.#places.leases);
    try {
      return await open(path, 'wx', 0o600);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
      return undefined;
    }
  }

  async #write(handle: FileHandle, path: string, ttlMs: number): Promise<Lease> {
    const token = randomUUID();
    try {
      await handle.writeFile(`${token} ${Math.ceil(ttlMs)}`);
    } catch (error) {
      await ifPossible(unlink(path));
      throw error;
    } finally {
      await handle.close();
    }
    return this.#held.add(() => endLease(path, token));
  }
}

/** One that is being removed. */
const asideName = /^[0-9a-f]{64}(?:\.[0-9a-f]{32})?-[0-9a-f-]{36}$/;

async function endLease(path: string, token: string): Promise<void> {
  const found = await ifPossible(ifThere(open(path, readFlags)));
  if (!found) return;
  try {
    // Once its time was over, someone else may have taken it.
    if ((await read(found)).token === token) await ifPossible(unlink(path));
  } finally {
    await found.close();
  }
}

/**
 * True when the lease is gone, and another attempt may get it.
 * @param ttlMs counts for one that does not say its own time: it is just being written.
 */
async function removeExpired(path: string, ttlMs: number): Promise<boolean> {
  const found = await ifThere(open(path, readFlags));
  if (!found) return true;
  try {
    const { mtimeMs, ino } = await found.stat();
    const told = Math.min(maxLeaseMs, (await read(found)).ttlMs ?? ttlMs);
    if (Math.abs(Date.now() - mtimeMs) <= told) return false;
    const aside = `${path}-${randomUUID()}`;
    // Of two who find it expired, the second must not remove the new one that the first has made.
    const moved = await moveAside(path, aside, (stats) => stats.ino === ino);
    if (moved) await unlink(aside);
    return true;
  } finally {
    await found.close();
  }
}

async function read(handle: FileHandle): Promise<{ token?: string; ttlMs?: number }> {
  const bytes = Buffer.alloc(contentBytes);
  const { bytesRead } = await handle.read(bytes, 0, contentBytes, 0);
  const [, token, ttlMs] = content.exec(bytes.toString('latin1', 0, bytesRead)) ?? [];
  return token === undefined ? {} : { token, ttlMs: Number(ttlMs) };
}
