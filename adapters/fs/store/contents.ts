import { lstat, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import TinyQueue from 'tinyqueue';
import { type Places, recordName, shardName, temporaryName } from './places.js';
import { ifPossible, ifThere } from './system-error.js';

/** What is known of a record without opening it. */
export interface Held {
  readonly key: string;
  readonly bytes: number;
  /** Milliseconds since the epoch: the file's time of change, as each use writes its count. */
  readonly usedMs: number;
}

/** A temporary file that was not written to for so long was left by a process that died. */
export const abandonedMs = 10 * 60_000;
/** Folders that are looked through at once. */
const atOnce = 8;

/**
 * The records in a store's folder and how long ago they were used, learnt from the folder itself: nothing is written
 * down beside, so nothing can disagree. Some 300 bytes of memory a record.
 */
export class Contents {
  readonly #places: Places;
  readonly #held = new Map<string, Held>();
  /** Holds outdated entries too: those that the map no longer has. */
  #order = newOrder([]);
  #bytes = 0;

  constructor(places: Places) {
    this.#places = places;
  }

  get records(): number {
    return this.#held.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** As they are now: a list of its own. */
  all(): readonly Held[] {
    return [...this.#held.values()];
  }

  bytesOf(key: string): number {
    return this.#held.get(key)?.bytes ?? 0;
  }

  set(held: Held): void {
    this.#bytes += held.bytes - this.bytesOf(held.key);
    this.#held.set(held.key, held);
    this.#order.push(held);
    if (this.#order.length > 2 * this.#held.size + 64) {
      this.#order = newOrder([...this.#held.values()]);
    }
  }

  forget(key: string): void {
    this.#bytes -= this.bytesOf(key);
    this.#held.delete(key);
  }

  /** The record that was used longest ago, as far as is known. It is not found again until it is set again. */
  takeOldest(): Held | undefined {
    for (;;) {
      const held = this.#order.pop();
      if (!held || this.#held.get(held.key) === held) return held;
    }
  }

  /**
   * Looks which records came and went: their names only, and what their folders tell of those that are new, or of
   * all if `anew`. No record is opened. What dead writers left is cleared away.
   */
  async refresh({ anew = false } = {}): Promise<void> {
    const seen = new Set<string>();
    const shards = await this.shards();
    if (!shards) return;
    const look = async (): Promise<void> => {
      for (let shard = shards.pop(); shard !== undefined; shard = shards.pop()) {
        await this.#refreshShard(shard, seen, anew);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, look));
    for (const key of this.#held.keys()) if (!seen.has(key)) this.forget(key);
  }

  /** The folders that hold records; undefined where that cannot be told. */
  async shards(): Promise<string[] | undefined> {
    const { home } = this.#places;
    const reading = this.#places.check(home).then(() => readdir(home, { withFileTypes: true }));
    const entries = await ifPossible(ifThere(reading).then((found) => found ?? []));
    return entries
      ?.filter((entry) => shardName.test(entry.name) && entry.isDirectory())
      .map(({ name }) => name);
  }

  /** The keys in one of {@link shards}, or in the one that a key belongs to; undefined as there. */
  async keysIn(shard: string): Promise<string[] | undefined> {
    return (await this.#namesIn(shard))?.flatMap((name) => keyIn(name, shard) ?? []);
  }

  async #namesIn(shard: string): Promise<string[] | undefined> {
    const folder = this.#places.shardOf(shard);
    const reading = this.#places.check(folder).then(() => readdir(folder));
    return ifPossible(ifThere(reading).then((names) => names ?? []));
  }

  async #refreshShard(shard: string, seen: Set<string>, anew: boolean): Promise<void> {
    const names = await this.#namesIn(shard);
    if (!names) {
      for (const key of this.#held.keys()) if (key.startsWith(shard)) seen.add(key);
      return;
    }
    const looks = names.map(async (name) => {
      const key = keyIn(name, shard);
      if (key === undefined) {
        if (temporaryName.test(name)) await clearTemporary(join(this.#places.shardOf(shard), name));
        return;
      }
      if (anew || !this.#held.has(key)) {
        const stats = await ifPossible(lstat(this.#places.fileOf(key)));
        if (!stats?.isFile()) return;
        this.set({ key, bytes: stats.size, usedMs: stats.mtimeMs });
      }
      seen.add(key);
    });
    await Promise.all(looks);
  }
}

/** Removes a temporary file that nobody writes any more; tells its bytes. */
export async function clearTemporary(path: string): Promise<number | undefined> {
  const stats = await ifPossible(lstat(path));
  // A clock that was set back must not keep it for ever.
  if (!stats || Math.abs(Date.now() - stats.mtimeMs) < abandonedMs) return undefined;
  const removed = await ifPossible(unlink(path).then(() => true));
  return removed ? stats.size : undefined;
}

function keyIn(name: string, shard: string): string | undefined {
  const key = recordName.exec(name)?.[1];
  return key?.startsWith(shard) ? key : undefined;
}

function newOrder(held: Held[]): TinyQueue<Held> {
  return new TinyQueue(held, (a, b) => a.usedMs - b.usedMs);
}
