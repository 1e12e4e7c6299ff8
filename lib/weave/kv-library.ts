import type { KvArena, KvSequence } from '../engine/arena.js';
import { kvBytesPerToken, type ModelInfo } from '../engine/model-info.js';
import { deferred } from '../deferred.js';
import type { CostModel } from '../reuse/cost/cost-model.js';
import type { ChunkRecord, ChunkStore, LoadWorth, RecordSource } from '../store/chunk-store.js';
import { abortable } from './abortable.js';
import type { BackgroundWriter } from './background-writer.js';
import { Claims } from './claims.js';
import { encodeBatch } from './encode-batch.js';
import { batchTokens, encodingMs } from './encoding-ms.js';
import { fitsTokens } from './fits.js';

export interface KvLibraryOptions {
  readonly arena: KvArena;
  readonly model: ModelInfo;
  readonly store: ChunkStore;
  readonly writer: BackgroundWriter;
  readonly costs: CostModel;
  /** Whether a record is not to be kept any more; default: none is. */
  readonly isForgotten?: (key: string) => boolean;
}

/** A passage whose KV is wanted. */
export interface Wanted {
  readonly key: string;
  /** As they stand in prompts. */
  readonly tokens: Int32Array;
  /** Where the text comes from; of texts that occur more than once, one place. */
  readonly source?: RecordSource;
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

/** Records read at once: enough to keep a disk busy. */
const parallelReads = 4;

/**
 * Finds chunk KV in the store, or makes it. Two callers who miss the same chunk make it once, also in two
 * processes where the store gives leases.
 */
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
      finds.push((turn ?? Promise.resolve()).then(() => this.#find(item, options)));
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

  async #find(item: Wanted, options: ObtainOptions): Promise<ChunkRecord | undefined> {
    const { key } = item;
    const { writer } = this.#options;
    const { signal } = options;
    signal?.throwIfAborted();
    const flight = this.#flights.get(key);
    const pending = flight
      ? await abortable(flight, signal).catch(() => undefined)
      : writer.find(key);
    signal?.throwIfAborted();
    return pending ?? this.#read(item, options);
  }

  /** Reads a record where that takes less time than computing it. */
  async #read(
    { key, tokens }: Wanted,
    { prefix, signal }: Pick<ObtainOptions, 'prefix' | 'signal'>,
  ): Promise<ChunkRecord | undefined> {
    const { model, store } = this.#options;
    const worth = this.#worth(tokens.length, prefix.length);
    const record = await store
      .get(key, { ...(signal && { signal }), ...(worth && { worth }) })
      .catch(() => undefined);
    signal?.throwIfAborted();
    if (!record) return undefined;
    if (fitsTokens(record.kv, model, tokens)) return record;
    this.misfits++;
    await store.delete(key).catch(() => false);
    return undefined;
  }

  #worth(tokens: number, before: number): LoadWorth | undefined {
    const { model, costs } = this.#options;
    const recomputeMs = costs.predictCompute({ tokens, before });
    if (recomputeMs === undefined) return undefined;
    return { recomputeMs, bytes: tokens * kvBytesPerToken(model.kv) };
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
    let missing = new Map<string, Wanted>();
    for (const [i, item] of wanted.entries()) {
      const result = results[i];
      if (result?.status === 'fulfilled' && !result.value) missing.set(item.key, item);
    }
    const total = tokensOf(missing.values());
    let done = 0;
    const onEncoded = (tokens: number) => options.onEncoded?.((done += tokens), total);
    const start = performance.now();
    while (missing.size > 0) {
      const failed = new Map<string, Wanted>();
      const others: Promise<void>[] = [];
      const mine: Wanted[] = [];
      for (const [key, item] of missing) {
        // Someone else may have finished it while the store was being asked.
        const record = this.#options.writer.find(key);
        const flight = this.#flights.get(key);
        if (record) made.set(key, { record, cached: true });
        else if (!flight) mine.push(item);
        else {
          const join = async () => {
            try {
              made.set(key, { record: await abortable(flight, options.signal), cached: true });
              onEncoded(item.tokens.length);
            } catch {
              failed.set(key, item);
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

  /** Makes passages that nobody else in this process makes. */
  async #encode(
    mine: readonly Wanted[],
    made: Map<string, Obtained>,
    options: EncodeOptions,
  ): Promise<void> {
    const flights = new Map(mine.map(({ key }) => [key, deferred<ChunkRecord>()]));
    for (const [key, { promise }] of flights) {
      promise.catch(() => {});
      this.#flights.set(key, promise);
    }
    const claims = new Claims(this.#options.store);
    const finish: Finish = ({ key, tokens }, record, cached) => {
      made.set(key, { record, cached });
      if (!cached) this.#keep(key, record, claims);
      this.#flights.delete(key);
      flights.get(key)?.resolve(record);
      options.onEncoded(tokens.length);
    };
    try {
      const { own, theirs } = await this.#claimAll(claims, mine, options, finish);
      await this.#encodeAll(own, options, finish);
      const left = await this.#awaitOthers(claims, theirs, options, finish);
      await this.#encodeAll(left, options, finish);
    } catch (error) {
      for (const [key, { promise, reject }] of flights) {
        if (this.#flights.get(key) === promise) this.#flights.delete(key);
        reject(error);
      }
      throw error;
    } finally {
      await this.#releaseUnused(claims, mine, made);
    }
  }

  /** Divides passages into those to be made here and those that another process is making. */
  async #claimAll(
    claims: Claims,
    mine: readonly Wanted[],
    options: EncodeOptions,
    finish: Finish,
  ): Promise<{ own: Wanted[]; theirs: Wanted[] }> {
    const { signal } = options;
    // The last of them is made when all the others are.
    const computeMs = this.#encodingMs(mine, options);
    const claim = async (item: Wanted): Promise<'own' | 'theirs' | 'done'> => {
      const claimed = await claims.claim(item.key, { computeMs, signal });
      if (claimed === 'theirs') return 'theirs';
      const record = claimed === 'there' ? await this.#read(item, options) : undefined;
      if (!record) return 'own';
      finish(item, record, true);
      return 'done';
    };
    const ends = await allOver(mine.map(claim));
    return {
      own: mine.filter((_, i) => ends[i] === 'own'),
      theirs: mine.filter((_, i) => ends[i] === 'theirs'),
    };
  }

  /** Waits for what other processes are making. Resolves to what is to be made here after all. */
  async #awaitOthers(
    claims: Claims,
    theirs: readonly Wanted[],
    options: EncodeOptions,
    finish: Finish,
  ): Promise<Wanted[]> {
    const { signal } = options;
    const computeMs = this.#encodingMs(theirs, options);
    const wait = async (item: Wanted): Promise<boolean> => {
      const end = await claims.awaitOther(item.key, { computeMs, signal });
      const record = end === 'there' ? await this.#read(item, options) : undefined;
      if (record) finish(item, record, true);
      return record !== undefined;
    };
    const ends = await allOver(theirs.map(wait));
    return theirs.filter((_, i) => !ends[i]);
  }

  /** Gives back what was claimed and not made, or made by another. What is on its way to the store follows later. */
  async #releaseUnused(
    claims: Claims,
    mine: readonly Wanted[],
    made: ReadonlyMap<string, Obtained>,
  ): Promise<void> {
    for (const { key } of mine) {
      if (made.get(key)?.cached !== false) await claims.release(key);
    }
  }

  #encodingMs(items: readonly Wanted[], { prefix }: EncodeOptions): number | undefined {
    return encodingMs(this.#options.costs, tokensOf(items), prefix.length);
  }

  /** Encodes passages in batches. */
  async #encodeAll(
    items: readonly Wanted[],
    options: EncodeOptions,
    finish: Finish,
  ): Promise<void> {
    for (const batch of batches(items)) {
      const records = await this.#encodeOne(batch, options);
      for (const [i, record] of records.entries()) finish(batch[i] as Wanted, record, false);
      await this.#options.writer.room();
    }
  }

  async #encodeOne(
    batch: readonly Wanted[],
    { prefix, signal }: EncodeOptions,
  ): Promise<ChunkRecord[]> {
    const { arena, costs } = this.#options;
    signal?.throwIfAborted();
    const runs = batch.map(({ tokens }) => tokens);
    const start = performance.now();
    const kvs = await encodeBatch(arena, prefix, runs, signal ? { signal } : {});
    const ms = performance.now() - start;
    const before = prefix.length;
    costs.observeCompute(
      runs.map(({ length: tokens }) => ({ tokens, before })),
      ms,
    );
    const count = tokensOf(batch);
    const created = Date.now();
    return kvs.map((kv, i) => {
      const { tokens, source } = batch[i] as Wanted;
      const computeMs = (ms * tokens.length) / count;
      return { kv, computeMs, created, ...(source && { source }) };
    });
  }

  /** Puts a record into the store, unless its passage went while it was made, and tells others that they may look. */
  #keep(key: string, record: ChunkRecord, claims: Claims): void {
    const { writer, isForgotten } = this.#options;
    if (isForgotten?.(key)) void claims.release(key);
    else writer.put(key, record, () => claims.release(key));
  }
}

interface EncodeOptions extends Pick<ObtainOptions, 'prefix' | 'signal'> {
  readonly onEncoded: (tokens: number) => void;
}

/** Hands a record to all who wait for it. */
type Finish = (item: Wanted, record: ChunkRecord, cached: boolean) => void;

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

/** Waits for all work to be over, then rejects with the first failure. */
async function allOver<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

function tokensOf(items: Iterable<Wanted>): number {
  let total = 0;
  for (const { tokens } of items) total += tokens.length;
  return total;
}
