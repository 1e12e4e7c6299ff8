import type { FileHandle } from 'node:fs/promises';
import { hitsBytes, hitsOffset } from '../../record/header.js';
import { ifPossible } from './system-error.js';

/** Long enough that writing does not stand in the way of a question's next passages. */
const waitMs = 50;
/** A process may have only so many files open. */
const mostOpen = 64;

/** A record whose uses are not written down yet. */
interface Counted {
  readonly handles: FileHandle[];
  hits: number;
}

/**
 * Writes down in a record's file how often it was used, and by that when: in place, four bytes that no checksum
 * covers, so nobody who reads it is disturbed. It happens some 50 ms after the record was given out, for all that were
 * given out meanwhile. Of two processes that count at the same moment, one may not be counted.
 */
export class UseCounter {
  #waiting = new Map<string, Counted>();
  #open = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Those that are being written do not overtake each other. */
  #written: Promise<void> = Promise.resolve();
  /** What is being written, for a use of the same record before that is done. */
  readonly #counts = new Map<string, number>();

  /**
   * Takes a record's file over and closes it. `hits` is what was read of its count. The file only, not what was read
   * of it: that must be free to go as soon as its reader is done with it.
   */
  note(key: string, handle: FileHandle, hits: number, uses = 1): void {
    const known = Math.max(hits, this.#counts.get(key) ?? 0);
    const counted = this.#waiting.get(key) ?? { handles: [], hits: 0 };
    counted.hits = Math.max(known, counted.hits) + uses;
    counted.handles.push(handle);
    this.#waiting.set(key, counted);
    this.#open++;
    if (this.#open >= mostOpen) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), waitMs);
  }

  /** Resolves when all uses so far are written down. */
  async settled(): Promise<void> {
    this.#flush();
    await this.#written;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    if (waiting.size === 0) return;
    this.#waiting = new Map();
    this.#open = 0;
    for (const [key, { hits }] of waiting) this.#counts.set(key, hits);
    this.#written = this.#written.then(() => this.#writeAll(waiting));
  }

  async #writeAll(counted: ReadonlyMap<string, Counted>): Promise<void> {
    await Promise.all(
      Array.from(counted, async ([key, { handles, hits }]) => {
        await write(handles[0] as FileHandle, hits);
        if (this.#counts.get(key) === hits) this.#counts.delete(key);
        await Promise.all(handles.map((handle) => ifPossible(handle.close())));
      }),
    );
  }
}

async function write(handle: FileHandle, hits: number): Promise<void> {
  const bytes = hitsBytes(hits);
  const done = await ifPossible(handle.write(bytes, 0, bytes.byteLength, hitsOffset));
  // One that may not be written can still be touched by its owner.
  if (!done) await ifPossible(handle.utimes(new Date(), new Date()));
}
