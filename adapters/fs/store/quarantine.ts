import { randomUUID } from 'node:crypto';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { moveAside } from './move-aside.js';
import type { Places } from './places.js';
import type { StoredFile } from './stored-file.js';
import { ifPossible, systemCode } from './system-error.js';

export interface QuarantineLimits {
  readonly maxFiles: number;
  readonly maxBytes: number;
}

interface Kept {
  readonly name: string;
  readonly bytes: number;
  /** When it was put here, in milliseconds since the epoch. */
  readonly since: number;
}

const keptName = /^([0-9a-f]{64}(?:\.[0-9a-f]{32})?)\.[0-9a-f-]{36}$/;

/** Damaged records, kept for whoever wants to know why: the last few, no more bytes than the limit. */
export class Quarantine {
  readonly #places: Places;
  readonly #limits: QuarantineLimits;
  /** Oldest first; read once, since nobody else removes much. */
  #kept: Promise<Kept[]> | undefined;

  constructor(places: Places, limits: QuarantineLimits) {
    this.#places = places;
    this.#limits = limits;
  }

  /**
   * Puts what was found damaged aside. 'gone' when it is no longer there, or when a newer record has taken its place;
   * 'stays' when it cannot be moved.
   * @param file what was read, still open; undefined where it is no file.
   */
  async take(key: string, file: StoredFile | undefined): Promise<'taken' | 'gone' | 'stays'> {
    const name = `${key}.${randomUUID()}`;
    const { quarantine } = this.#places;
    try {
      await this.#places.make(quarantine);
      const moved = await moveAside(this.#places.fileOf(key), join(quarantine, name), (stats) =>
        file ? stats.ino === file.stats.ino : !stats.isFile(),
      );
      if (!moved) return 'gone';
      await this.#keep({ name, bytes: moved.size, since: moved.ctimeMs });
      return 'taken';
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return 'stays';
    }
  }

  /** Removes what is kept of a record, or of all. Tells how many files, and their bytes. */
  remove(key?: string): Promise<{ files: number; bytes: number }> {
    return this.#removeThose(({ name }) => key === undefined || keptName.exec(name)?.[1] === key);
  }

  /** Removes what was put here long ago, and what others put here above the limits. */
  async compact(maxAgeMs: number): Promise<{ files: number; bytes: number }> {
    const now = Date.now();
    const old = await this.#removeThose(({ since }) => Math.abs(now - since) > maxAgeMs);
    const left = await this.#list();
    const before = { files: left.length, bytes: bytesOf(left) };
    await this.#trim(left);
    return {
      files: old.files + before.files - left.length,
      bytes: old.bytes + before.bytes - bytesOf(left),
    };
  }

  async #keep(kept: Kept): Promise<void> {
    this.#kept ??= this.#list();
    const all = await this.#kept;
    if (!all.some(({ name }) => name === kept.name)) all.push(kept);
    await this.#trim(all);
  }

  async #trim(kept: Kept[]): Promise<void> {
    const { maxFiles, maxBytes } = this.#limits;
    let bytes = bytesOf(kept);
    while (kept.length > maxFiles || bytes > maxBytes) {
      const oldest = kept.shift();
      if (!oldest) return;
      bytes -= oldest.bytes;
      await this.#removeOne(oldest);
    }
  }

  async #removeThose(condition: (kept: Kept) => boolean) {
    const going = (await this.#list()).filter(condition);
    for (const kept of going) await this.#removeOne(kept);
    this.#kept = undefined;
    return { files: going.length, bytes: bytesOf(going) };
  }

  /** A folder may have been planted in a record's place. Links are removed, not followed. */
  async #removeOne({ name }: Kept): Promise<void> {
    await this.#places.check(this.#places.quarantine);
    const path = join(this.#places.quarantine, name);
    await ifPossible(rm(path, { recursive: true, force: true }));
  }

  async #list(): Promise<Kept[]> {
    const { quarantine } = this.#places;
    const names = await ifPossible(this.#places.check(quarantine).then(() => readdir(quarantine)));
    const kept: Kept[] = [];
    for (const name of names ?? []) {
      const stats = keptName.test(name) && (await ifPossible(lstat(join(quarantine, name))));
      if (stats) kept.push({ name, bytes: stats.size, since: stats.ctimeMs });
    }
    return kept.sort((a, b) => a.since - b.since);
  }
}

function bytesOf(kept: readonly Kept[]): number {
  return kept.reduce((sum, { bytes }) => sum + bytes, 0);
}
