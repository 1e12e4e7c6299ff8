import type { FileHandle } from 'node:fs/promises';
import { hitsBytes, hitsOffset } from '../../record/header.js';
import { ifPossible } from './system-error.js';

/**
 * Writes down in a record's file how often it was used, and by that when: in place, four bytes that no checksum
 * covers, so nobody who reads it is disturbed. It happens after the record was given out. Of two processes that count
 * at the same moment, one may not be counted.
 */
export class UseCounter {
  /** Counts that are being written, by key. */
  readonly #counts = new Map<string, number>();
  readonly #work = new Set<Promise<void>>();

  /**
   * Takes a record's file over and closes it. `hits` is what was read of its count. The file only, not what was read
   * of it: that must be free to go as soon as its reader is done with it.
   */
  note(key: string, handle: FileHandle, hits: number, uses = 1): void {
    const writing = this.#counts.get(key);
    this.#counts.set(key, Math.max(hits, writing ?? 0) + uses);
    const work = writing === undefined ? this.#write(key, handle) : close(handle);
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  /** Resolves when all uses so far are written down. */
  async settled(): Promise<void> {
    await Promise.all(this.#work);
  }

  async #write(key: string, handle: FileHandle): Promise<void> {
    for (let written = -1; written !== this.#counts.get(key);) {
      written = this.#counts.get(key) ?? 0;
      const bytes = hitsBytes(written);
      const done = await ifPossible(handle.write(bytes, 0, bytes.byteLength, hitsOffset));
      // One that may not be written can still be touched by its owner.
      if (!done) await ifPossible(handle.utimes(new Date(), new Date()));
    }
    this.#counts.delete(key);
    await close(handle);
  }
}

async function close(handle: FileHandle): Promise<void> {
  await ifPossible(handle.close());
}
