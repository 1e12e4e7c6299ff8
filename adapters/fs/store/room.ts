import { lstat, statfs, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Contents, Held } from './contents.js';
import type { Places } from './places.js';
import { ifPossible, ifThere, systemCode } from './system-error.js';

export interface RoomOptions {
  readonly places: Places;
  readonly contents: Contents;
  readonly maxBytes: number;
  /** Bytes of the disk that must stay free. */
  readonly minFreeBytes: number;
  readonly onEvict: (held: Held) => void;
}

/** Milliseconds between looks at what other processes did. */
const lookEveryMs = 1000;
/** Milliseconds between looks at the size of every record, which seldom changes. */
const lookAnewEveryMs = 5 * 60_000;
/** Looking takes this share of the time at most. */
const lookShare = 1 / 20;

/**
 * Keeps a folder within its bound. What other processes write is seen within a second (later where looking takes
 * longer than 50 ms), so several of them overshoot by no more than what they write in that time.
 *
 * Calls of {@link reserve} must not overlap, nor changes to the contents.
 */
export class Room {
  readonly #options: RoomOptions;
  #reserved = 0;
  #waiting: (() => void)[] = [];
  #lookedAt = -Infinity;
  #lookedAnewAt = -Infinity;
  #lookTook = 0;

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  /**
   * Removes what was used longest ago until a record fits, and keeps its place free until {@link release}. False
   * when it does not fit; 'later' when it may after {@link released}.
   */
  async reserve(key: string, bytes: number): Promise<boolean | 'later'> {
    if (!(await this.#diskHasRoom(bytes))) return false;
    const fits = this.#options.maxBytes === Infinity || (await this.#makeRoom(key, bytes));
    if (fits === true) this.#reserved += bytes;
    return fits;
  }

  release(bytes: number): void {
    this.#reserved -= bytes;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when a reservation ends; there must be one. */
  released(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Counts anew what other processes may have changed. */
  async look(): Promise<void> {
    const start = performance.now();
    const anew = start - this.#lookedAnewAt > Math.max(lookAnewEveryMs, this.#pause);
    await this.#options.contents.refresh({ anew });
    this.#lookedAt = performance.now();
    if (anew) this.#lookedAnewAt = this.#lookedAt;
    this.#lookTook = this.#lookedAt - start;
  }

  get #pause(): number {
    return this.#lookTook / lookShare;
  }

  async #makeRoom(key: string, bytes: number): Promise<boolean | 'later'> {
    if (performance.now() - this.#lookedAt > Math.max(lookEveryMs, this.#pause)) await this.look();
    const { contents, maxBytes } = this.#options;
    const passedOver: Held[] = [];
    try {
      for (;;) {
        const others = contents.bytes - contents.bytesOf(key) + this.#reserved;
        if (others + bytes <= maxBytes) return true;
        const oldest = contents.takeOldest();
        if (!oldest) return this.#reserved > 0 ? 'later' : false;
        if (oldest.key === key || !(await this.#evict(oldest))) passedOver.push(oldest);
      }
    } finally {
      for (const held of passedOver) contents.set(held);
    }
  }

  /** False where it cannot be removed. */
  async #evict(held: Held): Promise<boolean> {
    const { contents, places, onEvict } = this.#options;
    const path = places.fileOf(held.key);
    try {
      await places.check(places.shardOf(held.key));
      const stats = await ifThere(lstat(path));
      if (!stats) {
        contents.forget(held.key);
      } else if (stats.mtimeMs !== held.usedMs) {
        // Used since, here or elsewhere: it is younger than was known.
        contents.set({ key: held.key, bytes: stats.size, usedMs: stats.mtimeMs });
      } else {
        await unlink(path);
        contents.forget(held.key);
        onEvict(held);
      }
      return true;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return false;
    }
  }

  async #diskHasRoom(bytes: number): Promise<boolean> {
    const { places, minFreeBytes } = this.#options;
    if (minFreeBytes === 0) return true;
    // The folder may not have been made yet.
    for (let path = places.home; ; path = dirname(path)) {
      const disk = await ifPossible(ifThere(statfs(path)).then((found) => found ?? 'none'));
      if (disk === 'none' && path !== dirname(path)) continue;
      // One that cannot tell its space is taken at its word.
      if (disk === undefined || disk === 'none' || disk.blocks === 0) return true;
      return disk.bavail * disk.bsize - this.#reserved - bytes >= minFreeBytes;
    }
  }
}
