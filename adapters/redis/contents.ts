import { abortable } from '../../lib/weave/abortable.js';
import { asBuffer } from './as-buffer.js';
import type { Connection, SendOptions } from './connection.js';
import type { Keys } from './keys.js';
import {
  adoptScript,
  commitScript,
  goneScript,
  pageScript,
  removeScript,
  resetScript,
  runScript,
  type Script,
  sizeScript,
  takeScript,
  touchScript,
  wholeScript,
} from './scripts.js';
import { ServerFailure } from '../record/server-failure.js';

/** A record that went. */
export interface Gone {
  readonly key: string;
  readonly bytes: number;
}

export interface CommitResult {
  readonly kept: boolean;
  readonly evicted: readonly Gone[];
  readonly expired: readonly Gone[];
}

export interface CommitOptions extends SendOptions {
  readonly bytes: number;
  readonly maxBytes: number;
  /** Milliseconds that it lives; 0 for ever. */
  readonly lifeMs: number;
}

/** Keys that are looked at in one go: the server does nothing else meanwhile, for less than a millisecond. */
const pageKeys = 500;
/** Pages that are looked through whenever records are counted. */
const sweptPages = 20;
/** Times that the index is filled again for one listing. */
const mostRebuilds = 3;
/** Milliseconds from the end of a rebuilding to the next that nobody waits for. */
const rebuildPauseMs = 10_000;

/** The records on the server: which there are, how large they are, and when they were used. */
export class Contents {
  readonly #connection: Connection;
  readonly #keys: Keys;
  #rebuilding: Promise<void> | undefined;
  #rebuiltAt = -Infinity;
  #sweepFrom = '-';

  constructor(connection: Connection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** Moves what was written beside to its place, when enough else has gone. @throws ServerFailure */
  async commit(key: string, written: string, options: CommitOptions): Promise<CommitResult> {
    const { bytes, maxBytes, lifeMs, ...send } = options;
    const args = [key, String(bytes), String(maxBytes), String(lifeMs)];
    const keys = [...this.#keys.index, written];
    const reply = listOf(
      await runScript(this.#connection, commitScript, keys, [this.#keys.records, ...args], send),
    );
    const [outcome, whole, evicted, expired] = reply;
    if (numberOf(whole) === 0) this.#rebuildLater();
    return { kept: numberOf(outcome) === 1, evicted: goneOf(evicted), expired: goneOf(expired) };
  }

  /** @throws ServerFailure */
  async touch(key: string, uses: number): Promise<void> {
    await this.#run(touchScript, [key, String(uses)]);
  }

  /** How often a record was used, and when last, in milliseconds since the epoch. @throws ServerFailure */
  async useOf(key: string): Promise<{ hits: number; lastUsed: number }> {
    const [used, , , hits] = this.#keys.index as readonly [string, string, string, string];
    const [last, count] = await Promise.all([
      this.#connection.send(['ZSCORE', used, key]),
      this.#connection.send(['HGET', hits, key]),
    ]);
    return { hits: numberOf(count ?? 0), lastUsed: numberOf(last ?? 0) };
  }

  /** No value was found: the server may have let it go by itself. @throws ServerFailure */
  async gone(key: string): Promise<void> {
    await this.#run(goneScript, [key]);
  }

  /** The bytes of a record that was removed. @throws ServerFailure */
  async remove(key: string, options?: SendOptions): Promise<number | undefined> {
    const [bytes] = listOf(await this.#run(removeScript, [key], options));
    return found(bytes);
  }

  /**
   * Removes a record if it still is what was read of it; tells its bytes if it was.
   * @param head how it began; undefined for what is no text.
   * @throws ServerFailure
   */
  async take(
    key: string,
    head: Uint8Array | undefined,
    length: number,
    options?: SendOptions,
  ): Promise<number | undefined> {
    const bytes = head ? asBuffer(head) : '';
    const args = [key, bytes, String(head ? length : -1)];
    return found(await this.#run(takeScript, args, options));
  }

  /** @throws ServerFailure, the signal's reason */
  async *list(chunk: string | undefined, signal?: AbortSignal): AsyncGenerator<string> {
    // Variants are named by their chunk's key and a dot, right after which comes the slash.
    const to = chunk === undefined ? '+' : `(${chunk}/`;
    let from = chunk === undefined ? '-' : `[${chunk}`;
    let rebuilt = 0;
    for (;;) {
      const { isWhole, last, keys } = await this.#page(from, to, signal);
      if (!isWhole) {
        // One that evicts faster than the index can be filled says nothing that could be relied upon.
        if (++rebuilt > mostRebuilds) throw new ServerFailure('it keeps losing its list of keys');
        await abortable(this.#rebuild(), signal);
        continue;
      }
      yield* keys;
      if (last === '') return;
      from = `(${last}`;
    }
  }

  /**
   * Counts records and bytes. Looks for those that the server let go by itself, some at a time.
   * @throws ServerFailure
   */
  async size(): Promise<{ records: number; bytes: number }> {
    for (let page = 0; page < sweptPages; page++) {
      const { isWhole, last } = await this.#page(this.#sweepFrom, '+');
      if (!isWhole) await this.#rebuild();
      this.#sweepFrom = last === '' ? '-' : `(${last}`;
      if (last === '') break;
    }
    const [records, bytes] = listOf(await this.#run(sizeScript, []));
    return { records: numberOf(records), bytes: numberOf(bytes) };
  }

  /** Removes all records. @throws ServerFailure */
  async clear(): Promise<void> {
    let batch: string[] = [];
    const removeBatch = async (): Promise<void> => {
      if (batch.length > 0) await this.#run(removeScript, batch);
      batch = [];
    };
    for await (const key of this.list(undefined)) {
      batch.push(key);
      if (batch.length === pageKeys) await removeBatch();
    }
    await removeBatch();
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#rebuilding?.catch(() => {});
  }

  async #page(from: string, to: string, signal?: AbortSignal) {
    const args = [from, to, String(pageKeys)];
    const [whole, last, keys] = listOf(await this.#run(pageScript, args, { signal }));
    return {
      isWhole: numberOf(whole) === 1,
      last: String(last),
      keys: listOf(keys).map(String),
    };
  }

  #rebuildLater(): void {
    if (this.#rebuilding || performance.now() - this.#rebuiltAt < rebuildPauseMs) return;
    this.#rebuild().catch(() => {});
  }

  /**
   * Fills the index with the records that are there: at first, and where the server has let a part of it go, which one
   * may do that was told to evict any key.
   */
  async #rebuild(): Promise<void> {
    this.#rebuilding ??= this.#fill().finally(() => {
      this.#rebuilding = undefined;
      this.#rebuiltAt = performance.now();
    });
    await this.#rebuilding;
  }

  async #fill(): Promise<void> {
    if (numberOf(await this.#run(resetScript, [])) === 0) return;
    const { records } = this.#keys;
    const pattern = `${records.replaceAll(/[\\*?[\]]/g, String.raw`\$&`)}*`;
    let cursor = '0';
    do {
      const scan = ['SCAN', cursor, 'MATCH', pattern, 'COUNT', '1000'];
      const [next, names] = listOf(await this.#connection.send(scan));
      cursor = String(next);
      const keys = listOf(names).map((name) => String(name).slice(records.length));
      if (keys.length > 0) await this.#run(adoptScript, keys);
    } while (cursor !== '0');
    await this.#run(wholeScript, []);
  }

  #run(script: Script, args: readonly (string | Buffer)[], options?: SendOptions) {
    const { index, records } = this.#keys;
    return runScript(this.#connection, script, index, [records, ...args], options);
  }
}

function listOf(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : [];
}

function numberOf(reply: unknown): number {
  return Number(reply);
}

function found(reply: unknown): number | undefined {
  const bytes = numberOf(reply);
  return bytes < 0 ? undefined : bytes;
}

/** Keys and bytes in turn. */
function goneOf(reply: unknown): Gone[] {
  const list = listOf(reply);
  return Array.from({ length: list.length / 2 }, (_, i) => ({
    key: String(list[2 * i]),
    bytes: numberOf(list[2 * i + 1]),
  }));
}
