import type { FileHandle } from 'node:fs/promises';
import { hitsBytes, hitsOffset } from '../../record/header.js';
import { ifPossible } from './system-error.js';

/** Long enough that writing does not stand in the way of a question's next passages. */
const waitMs = 50;
/** A process may have only so many files open. */
const mostWaiting = 64;

/**
 * Writes down in a record's file how often it was used, and by that when: in place, four bytes that no checksum
 * covers, so nobody who reads it is disturbed. It happens some 50 ms after the record was given out, for all that were
 * given out meanwhile. Of two processes that count at the same moment, one may not be counted.
 */
export class UseCounter {
  /** Counts that are not written down yet, by key. */
  readonly #counts = new Map<string, number>();
  /** Files whose turn to be written has not come. */
  #waiting = new Map<string, FileHandle>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #work = new Set<Promise<void>>();

  /**
   * Takes a record's file over and closes it. `hits` is what was read of its count. The file only, not what was read
   * of it: that must be free to go as soon as its reader is done with it.
   */
  note(key: string, handle: FileHandle, hits: number, uses = 1): void {
    const known = this.#counts.get(key);
    this.#counts.set(key, Math.max(hits, known ?? 0) + uses);
    if (known !== undefined) {
      this.#track(close(handle));
      return;
    }
    this.#waiting.set(key, handle);
    if (this.#waiting.size >= mostWaiting) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), waitMs);
  }

  /** Resolves when all uses so far are written down. */
  async settled(): Promise<void> {
    this.#flush();
    await Promise.all(this.#work);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const [key, handle] of waiting) this.#track(this.#write(key, handle));
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
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
