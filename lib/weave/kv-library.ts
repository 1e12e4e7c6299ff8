import type { KvArena, KvSequence } from '../engine/arena.js';
import type { ModelInfo } from '../engine/model-info.js';
import type { ChunkRecord, ChunkStore } from '../store/chunk-store.js';
import { abortable } from './abortable.js';
import type { BackgroundWriter } from './background-writer.js';
import { encodeBatch } from './encode-batch.js';
import { fitsTokens } from './fits.js';
import type { Speed } from './speed.js';

export interface KvLibraryOptions {
  readonly arena: KvArena;
  readonly model: ModelInfo;
  readonly store: ChunkStore;
  readonly writer: BackgroundWriter;
  readonly speed: Speed;
}

/** A passage whose KV is wanted. */
export interface Wanted {
  readonly key: string;
  /** As they stand in prompts. */
  readonly tokens: Int32Array;
}

export interface Obtained {
  readonly record: ChunkRecord;
  /** False when it was computed for this caller. */
  readonly cached: boolean;
}

export interface ObtainOptions {
  /** What is encoded is encoded after this. */
  readonly prefix: KvSequence;
  readonly signal?: AbortSignal | undefined;
  /** Tokens encoded so far, of how many. */
  readonly onEncoded?: ((done: number, total: number) => void) | undefined;
}

/** KV that is being read and made. */
export interface Obtaining {
  readonly items: readonly Promise<Obtained>[];
  readonly settled: Promise<void>;
  /** Milliseconds of encoding so far. */
  readonly spent: { readonly encodeMs: number };
}

/** Rows of a batch of encodings: one native compute of bounded size, so others get their turn in between. */
const batchTokens = 512;
/** Records read at once: enough to keep a disk busy. */
const parallelReads = 4;

/** Finds chunk KV in the store, or makes it; two callers who miss the same chunk make it once. */
export class KvLibrary {
  readonly #options: KvLibraryOptions;
  readonly #flights = new Map<string, Promise<ChunkRecord>>();
  /** Records of the store that turned out to be of other tokens or cut short. */
  misfits = 0;

  constructor(options: KvLibraryOptions) {
    this.#options = options;
  }

  /** Whether a chunk's KV need not be made. */
  async has(key: string): Promise<boolean> {
    const { store, writer } = this.#options;
    if (this.#flights.has(key) || writer.find(key)) return true;
    return store.has(key).catch(() => false);
  }

  /**
   * One promise a passage, so that the first can be used while later ones are still read or made. The
   * caller holds cells for all the tokens, and must keep them until `settled` resolves.
   */
  obtain(wanted: readonly Wanted[], options: ObtainOptions): Obtaining {
    const spent = { encodeMs: 0 };
    const finds: Promise<ChunkRecord | undefined>[] = [];
    for (const [i, item] of wanted.entries()) {
      const turn = i < parallelReads ? undefined : finds[i - parallelReads];
      finds.push((turn ?? Promise.resolve()).then(() => this.#find(item, options.signal)));
    }
    const made = this.#makeMissing(wanted, finds, options, spent);
    const first = new Map<string, number>();
    for (const [i, { key }] of wanted.entries()) if (!first.has(key)) first.set(key, i);
    const items = wanted.map(async ({ key }, i): Promise<Obtained> => {
      const found = await finds[i];
      if (found) return { record: found, cached: true };
      const { record, cached } = (await made).get(key) as Obtained;
      // The same passage again in one prompt was made for its first place.
      return { record, cached: cached || first.get(key) !== i };
    });
    // A caller that gave up early must not leave rejections behind.
    for (const item of items) item.catch(() => {});
    return { items, settled: settle(made), spent };
  }

  async #find({ key, tokens }: Wanted, signal?: AbortSignal): Promise<ChunkRecord | undefined> {
    const { model, store, writer } = this.#options;
    signal?.throwIfAborted();
    const flight = this.#flights.get(key);
    const pending = flight
      ? await abortable(flight, signal).catch(() => undefined)
      : writer.find(key);
    signal?.throwIfAborted();
    if (pending) return pending;
    const record = await store.get(key, signal ? { signal } : {}).catch(() => undefined);
    signal?.throwIfAborted();
    if (!record) return undefined;
    if (fitsTokens(record.kv, model, tokens)) return record;
    this.misfits++;
    await store.delete(key).catch(() => false);
    return undefined;
  }

  async #makeMissing(
    wanted: readonly Wanted[],
    finds: readonly Promise<ChunkRecord | undefined>[],
    options: ObtainOptions,
    spent: { encodeMs: number },
  ): Promise<Map<string, Obtained>> {
    const made = new Map<string, Obtained>();
    const results = await Promise.allSettled(finds);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    let missing = new Map<string, Int32Array>();
    for (const [i, { key, tokens }] of wanted.entries()) {
      const result = results[i];
      if (result?.status === 'fulfilled' && !result.value) missing.set(key, tokens);
    }
    const total = sum(missing.values());
    let done = 0;
    const onEncoded = (tokens: number) => options.onEncoded?.((done += tokens), total);
    const start = performance.now();
    while (missing.size > 0) {
      const failed = new Map<string, Int32Array>();
      const others: Promise<void>[] = [];
      const mine: Wanted[] = [];
      for (const [key, tokens] of missing) {
        // Someone else may have finished it while the store was being asked.
        const record = this.#options.writer.find(key);
        const flight = this.#flights.get(key);
        if (record) made.set(key, { record, cached: true });
        else if (!flight) mine.push({ key, tokens });
        else {
          const join = async () => {
            try {
              made.set(key, { record: await abortable(flight, options.signal), cached: true });
              onEncoded(tokens.length);
            } catch {
              failed.set(key, tokens);
            }
          };
          others.push(join());
        }
      }
      await this.#encode(mine, made, { ...options, onEncoded });
      await Promise.all(others);
      options.signal?.throwIfAborted();
      missing = failed;
    }
    spent.encodeMs = performance.now() - start;
    return made;
  }

  /** Encodes passages that nobody else encodes, in batches. */
  async #encode(
    mine: readonly Wanted[],
    made: Map<string, Obtained>,
    options: {
      prefix: KvSequence;
      signal?: AbortSignal | undefined;
      onEncoded: (n: number) => void;
    },
  ): Promise<void> {
    const flights = new Map(mine.map(({ key }) => [key, deferred<ChunkRecord>()]));
    for (const [key, { promise }] of flights) {
      promise.catch(() => {});
      this.#flights.set(key, promise);
    }
    try {
      for (const batch of batches(mine)) {
        for (const [key, record] of await this.#encodeOne(batch, options)) {
          made.set(key, { record, cached: false });
          this.#options.writer.put(key, record);
          this.#flights.delete(key);
          flights.get(key)?.resolve(record);
        }
        options.onEncoded(sum(batch.map(({ tokens }) => tokens)));
        await this.#options.writer.room();
      }
    } catch (error) {
      for (const [key, { promise, reject }] of flights) {
        if (this.#flights.get(key) === promise) this.#flights.delete(key);
        reject(error);
      }
      throw error;
    }
  }

  async #encodeOne(
    batch: readonly Wanted[],
    { prefix, signal }: { prefix: KvSequence; signal?: AbortSignal | undefined },
  ): Promise<[string, ChunkRecord][]> {
    const { arena, speed } = this.#options;
    signal?.throwIfAborted();
    const runs = batch.map(({ tokens }) => tokens);
    const count = sum(runs);
    const start = performance.now();
    const kvs = await encodeBatch(arena, prefix, runs, signal ? { signal } : {});
    const ms = performance.now() - start;
    speed.measured(count, ms);
    const created = Date.now();
    return kvs.map((kv, i) => {
      const { key, tokens } = batch[i] as Wanted;
      return [key, { kv, computeMs: (ms * tokens.length) / count, created }];
    });
  }
}

/** Runs of passages that together stay within a batch; a longer passage is one of its own. */
export function* batches(wanted: readonly Wanted[]): Generator<Wanted[]> {
  let batch: Wanted[] = [];
  let tokens = 0;
  for (const item of wanted) {
    if (batch.length > 0 && tokens + item.tokens.length > batchTokens) {
      yield batch;
      batch = [];
      tokens = 0;
    }
    batch.push(item);
    tokens += item.tokens.length;
  }
  if (batch.length > 0) yield batch;
}

async function settle(work: Promise<unknown>): Promise<void> {
  await Promise.allSettled([work]);
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

function deferred<T>(): Deferred<T> {
  let parts: Omit<Deferred<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    parts = { resolve, reject };
  });
  return { promise, ...(parts as unknown as Omit<Deferred<T>, 'promise'>) };
}

function sum(runs: Iterable<Int32Array>): number {
  let total = 0;
  for (const run of runs) total += run.length;
  return total;
}
