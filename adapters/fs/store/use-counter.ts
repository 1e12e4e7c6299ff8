import { hitsBytes, hitsIn, hitsOffset } from '../../record/header.js';
import { closeFile, type StoredFile } from './stored-file.js';
import { ifPossible } from './system-error.js';

/**
 * Writes down in a record's file how often it was used, and by that when: in place, four bytes that no checksum
 * covers, so nobody who reads it is disturbed. It happens after the record was given out.
 */
export class UseCounter {
  /** Uses that are to be written with the next write of their record. */
  readonly #uses = new Map<string, number>();
  readonly #work = new Set<Promise<void>>();

  /** Takes the file over and closes it. `hits` is what was read of its count. */
  note(key: string, file: StoredFile, hits: number): void {
    const uses = this.#uses.get(key);
    this.#uses.set(key, (uses ?? 0) + 1);
    const work = uses === undefined ? this.#write(key, file, hits) : closeFile(file);
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  /** Resolves when all uses so far are written down. */
  async settled(): Promise<void> {
    await Promise.all(this.#work);
  }

  async #write(key: string, file: StoredFile, hits: number): Promise<void> {
    const { handle } = file;
    const word = new Uint8Array(4);
    // Others may have counted meanwhile.
    const again = await ifPossible(handle.read(word, 0, 4, hitsOffset));
    const counted = (again?.bytesRead === 4 ? hitsIn(word) : undefined) ?? hits;
    const uses = this.#uses.get(key) ?? 0;
    this.#uses.delete(key);
    const bytes = hitsBytes(counted + uses);
    const written = await ifPossible(handle.write(bytes, 0, bytes.byteLength, hitsOffset));
    // One that may not be written can still be touched by its owner.
    if (!written) await ifPossible(handle.utimes(new Date(), new Date()));
    await closeFile(file);
  }
}
