import type { KvArena } from '../engine/arena.js';
import { packStatistics } from '../encode/packed-statistics.js';
import { kvBytesPerToken, type ModelInfo } from '../engine/model-info.js';
import { deferred } from '../deferred.js';
import type { CostModel } from '../reuse/cost/cost-model.js';
import type { CachedAt } from '../select/costs/milliseconds.js';
import { chunkOf } from '../store/chunk-key.js';
import type {
  ChunkRecord,
  ChunkStore,
  EncodingContext,
  LoadWorth,
  RecordInfo,
  RecordSource,
} from '../store/chunk-store.js';
import { bestVariant } from '../store/variants.js';
import { abortable } from './abortable.js';
import type { BackgroundWriter } from './background-writer.js';
import { Claims } from './claims.js';
import { encodeBatch } from './encode-batch.js';
import { batchTokens, encodingMs } from './encoding-ms.js';
import { fitsTokens } from './fits.js';
import type { EncodingBase } from './warmup/encoding-base.js';
import { SignalFan } from './signal-fan.js';

export interface KvLibraryOptions {
  readonly arena: KvArena;
  readonly model: ModelInfo;
  readonly store: ChunkStore;
  readonly writer: BackgroundWriter;
  readonly costs: CostModel;
  /** What passages are encoded after that do not say otherwise. */
  readonly prefix: EncodingBase;
  /** Whether attention statistics are kept with what is encoded after a warm-up; default false. */
  readonly statistics?: boolean;
  /** Whether nothing that comes from a chunk is to be kept any more; default: all is. */
  readonly isForgotten?: (chunk: string) => boolean;
}

/** A passage whose KV is wanted. */
export interface Wanted {
  /** Of the record that is made where none is there. */
  readonly key: string;
  /** As they stand in prompts. */
  readonly tokens: Int32Array;
  /** Where the text comes from; of texts that occur more than once, one place. */
  readonly source?: RecordSource;
  /**
   * The records that will do, best first, by their keys or by how well each of the chunk's variants suits (undefined
   * where it does not fit); default the key alone.
   */
  readonly lookup?: readonly (string | RankVariant)[];
  /** What it is encoded after; default the prefix. */
  readonly after?: EncodingBase;
  /** What it sees there beside the prefix. */
  readonly context?: EncodingContext;
}

/** See {@link bestVariant}. */
export type RankVariant = (info: RecordInfo) => number | undefined;

export interface Obtained {
  /** Key of the record: one of those that would do. */
  readonly key: string;
  readonly record: ChunkRecord;
  /** False when it was computed for this caller. */
  readonly cached: boolean;
}

export interface ObtainOptions {
  readonly signal?: AbortSignal | undefined;
  /** Tokens encoded so far, of how many; called with 0 before any is. */
  readonly onEncoded?: ((done: number, total: number) => void) | undefined;
}

/** KV that is being read and made. */
export interface Obtaining {
  readonly items: readonly Promise<Obtained>[];
  readonly settled: Promise<void>;
  /** Milliseconds of encoding so far. */
  readonly spent: { readonly encodeMs: number };
}

/** Milliseconds until variants of a chunk are looked for again that had none. */
const lookAgainMs = 60_000;
/** Chunks of which that is remembered. */
const mostLooks = 10_000;

/** Records read at once: enough to keep a disk busy. */
const parallelReads = 4;

/**
 * Finds chunk KV in the store, or makes it. Two callers who miss the same chunk make it once, also in two
 * processes where the store gives leases.
 */
export class KvLibrary {
  readonly #options: KvLibraryOptions;
  readonly #flights = new Map<string, Promise<ChunkRecord>>();
  /** When variants of a chunk were looked for and none fitted. */
  readonly #noVariants = new Map<string, number>();
  /** Records of the store that turned out to be of other tokens or cut short. */
  misfits = 0;

  constructor(options: KvLibraryOptions) {
    this.#options = options;
  }

  /**
   * Puts a record into the store, unless its passage, or one that it saw, went while it was made.
   *
   * @param then is called when it is there, or will not be; must not fail.
   */
  keep(key: string, record: ChunkRecord, then: () => Promise<void>): void {
    const { writer, isForgotten } = this.#options;
    if (key !== chunkOf(key)) this.#noVariants.delete(chunkOf(key));
    const from = [key, ...(record.context?.chunks ?? [])];
    if (isForgotten && from.some((name) => isForgotten(chunkOf(name)))) void then();
    else writer.put(key, record, then);
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
    const fan = new SignalFan(options.signal);
    const finds = this.find(wanted, options.signal);
    const made = this.#makeMissing(wanted, finds, { ...options, fan }, spent);
    const first = new Map<string, number>();
    for (const [i, { key }] of wanted.entries()) if (!first.has(key)) first.set(key, i);
    const items = wanted.map(async ({ key }, i): Promise<Obtained> => {
      const found = await finds[i];
      if (found) return found;
      const { record, cached } = (await made).get(key) as Made;
      // The same passage again in one prompt was made for its first place.
      return { key, record, cached: cached || first.get(key) !== i };
    });
    // A caller that gave up early must not leave rejections behind.
    for (const item of items) item.catch(() => {});
    const settled = settle(made).finally(() => fan.close());
    return { items, settled, spent };
  }

  /**
   * Where KV that would do is now, and what loading it is expected to take; undefined where it would have to be made. Variants that
   * only a look at all of them would find are passed over.
   */
  async where(item: Wanted): Promise<CachedAt | undefined> {
    const { store, writer, costs, model } = this.#options;
    for (const key of item.lookup ?? [item.key]) {
      if (typeof key !== 'string') continue;
      if (this.#flights.has(key) || writer.find(key)) return { tier: 'memory', loadMs: 0 };
      const tier = await this.#tierOf(store, key).catch(() => undefined);
      if (tier === undefined) continue;
      const bytes = item.tokens.length * kvBytesPerToken(model.kv);
      return { tier, loadMs: costs.predictLoad(tier, bytes) ?? 0 };
    }
    return undefined;
  }

  async #tierOf(store: ChunkStore, key: string): Promise<string | undefined> {
    if (store.where) return store.where(key);
    return (await store.has(key)) ? 'store' : undefined;
  }

  /** KV that is there or being made, one promise a passage; nothing is made for it. */
  find(wanted: readonly Wanted[], signal?: AbortSignal): Promise<Obtained | undefined>[] {
    const fan = new SignalFan(signal);
    const finds: Promise<Obtained | undefined>[] = [];
    for (const [i, item] of wanted.entries()) {
      const turn = i < parallelReads ? undefined : finds[i - parallelReads];
      const read = async (): Promise<Obtained | undefined> => {
        await turn;
        const found = await this.#find(item, { signal: fan.child() });
        return found && { ...found, cached: true };
      };
      finds.push(read());
    }
    void Promise.allSettled(finds).then(() => fan.close());
    return finds;
  }

  async #find(item: Wanted, { signal }: ObtainOptions): Promise<Found | undefined> {
    for (const key of item.lookup ?? [item.key]) {
      signal?.throwIfAborted();
      if (typeof key !== 'string') {
        const found = await this.#readVariant(key, item, signal);
        if (found) return found;
        continue;
      }
      const pending = await this.#pending(key, signal);
      const record = pending ?? (await this.#read(key, item, signal));
      if (record) return { key, record };
    }
    return undefined;
  }

  /** A record that is being made, or is on its way to the store. */
  async #pending(key: string, signal?: AbortSignal): Promise<ChunkRecord | undefined> {
    const flight = this.#flights.get(key);
    if (!flight) return this.#options.writer.find(key);
    const record = await abortable(flight, signal).catch(() => undefined);
    signal?.throwIfAborted();
    return record;
  }

  /** Reads a record where that takes less time than computing it. */
  async #read(key: string, item: Wanted, signal?: AbortSignal): Promise<ChunkRecord | undefined> {
    const { model, store } = this.#options;
    const worth = this.#worth(item);
    const record = await store
      .get(key, { ...(signal && { signal }), ...(worth && { worth }) })
      .catch(() => undefined);
    signal?.throwIfAborted();
    if (!record) return undefined;
    if (fitsTokens(record.kv, model, item.tokens)) return record;
    this.misfits++;
    await store.delete(key).catch(() => false);
    return undefined;
  }

  /** The variant that suits best, if one fits. That there is none is remembered for a while: looking means listing. */
  async #readVariant(
    rank: RankVariant,
    item: Wanted,
    signal?: AbortSignal,
  ): Promise<Found | undefined> {
    const { model, store } = this.#options;
    const chunk = chunkOf(item.key);
    const now = performance.now();
    const lookedAt = this.#noVariants.get(chunk);
    if (lookedAt !== undefined && now - lookedAt < lookAgainMs) return undefined;
    const worth = this.#worth(item);
    const found = await bestVariant(store, chunk, rank, {
      ...(signal && { signal }),
      ...(worth && { worth }),
    }).catch(() => undefined);
    signal?.throwIfAborted();
    if (found && fitsTokens(found.record.kv, model, item.tokens)) {
      return { key: found.info.key, record: found.record };
    }
    this.#noVariants.delete(chunk);
    this.#noVariants.set(chunk, now);
    const [oldest] = this.#noVariants.keys();
    if (this.#noVariants.size > mostLooks && oldest !== undefined) this.#noVariants.delete(oldest);
    return undefined;
  }

  #worth({ tokens: { length: tokens }, after }: Wanted): LoadWorth | undefined {
    const { model, costs, prefix } = this.#options;
    const { length: before } = after ?? prefix;
    const recomputeMs = costs.predictCompute({ tokens, before });
    if (recomputeMs === undefined) return undefined;
    return { recomputeMs, bytes: tokens * kvBytesPerToken(model.kv) };
  }

  async #makeMissing(
    wanted: readonly Wanted[],
    finds: readonly Promise<unknown>[],
    options: ObtainOptions & { readonly fan: SignalFan },
    spent: { encodeMs: number },
  ): Promise<Map<string, Made>> {
    const made = new Map<string, Made>();
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
    if (total > 0) onEncoded(0);
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
              made.set(key, { record: await abortable(flight, options.fan.child()), cached: true });
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
    made: Map<string, Made>,
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
      if (!cached) this.keep(key, record, () => claims.release(key));
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
    // The last of them is made when all the others are.
    const computeMs = this.#encodingMs(mine);
    const claim = async (item: Wanted): Promise<'own' | 'theirs' | 'done'> => {
      const signal = options.fan.child();
      const claimed = await claims.claim(item.key, { computeMs, signal });
      if (claimed === 'theirs') return 'theirs';
      const record = claimed === 'there' ? await this.#read(item.key, item, signal) : undefined;
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
    const computeMs = this.#encodingMs(theirs);
    const wait = async (item: Wanted): Promise<boolean> => {
      const signal = options.fan.child();
      const end = await claims.awaitOther(item.key, { computeMs, signal });
      const record = end === 'there' ? await this.#read(item.key, item, signal) : undefined;
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
    made: ReadonlyMap<string, Made>,
  ): Promise<void> {
    for (const { key } of mine) {
      if (made.get(key)?.cached !== false) await claims.release(key);
    }
  }

  #encodingMs(items: readonly Wanted[]): number | undefined {
    const { costs, prefix } = this.#options;
    const before = items.reduce((most, { after }) => Math.max(most, after?.length ?? 0), 0);
    return encodingMs(costs, tokensOf(items), before || prefix.length);
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

  async #encodeOne(batch: readonly Wanted[], { signal }: EncodeOptions): Promise<ChunkRecord[]> {
    const { arena, costs, prefix, model, statistics } = this.#options;
    const { sequence } = await (batch[0]?.after ?? prefix).use(signal);
    signal?.throwIfAborted();
    const runs = batch.map(({ tokens }) => tokens);
    const start = performance.now();
    const warmupTokens = sequence.length - prefix.length;
    const encoded = await encodeBatch(arena, sequence, runs, {
      ...(signal && { signal }),
      ...(statistics && warmupTokens > 0 && { statisticsAfter: { model, warmupTokens } }),
    });
    const ms = performance.now() - start;
    const before = sequence.length;
    costs.observeCompute(
      runs.map(({ length: tokens }) => ({ tokens, before })),
      ms,
    );
    const count = tokensOf(batch);
    const created = Date.now();
    return encoded.map(({ kv, statistics: seen }, i) => {
      const { tokens, source, context } = batch[i] as Wanted;
      const computeMs = (ms * tokens.length) / count;
      return {
        kv,
        computeMs,
        created,
        ...(source && { source }),
        ...(context && { context }),
        ...(seen && { details: packStatistics(seen) }),
      };
    });
  }
}

interface Found {
  readonly key: string;
  readonly record: ChunkRecord;
}

type Made = Omit<Obtained, 'key'>;

interface EncodeOptions extends Pick<ObtainOptions, 'signal'> {
  readonly fan: SignalFan;
  readonly onEncoded: (tokens: number) => void;
}

/** Hands a record to all who wait for it. */
type Finish = (item: Wanted, record: ChunkRecord, cached: boolean) => void;

/**
 * Runs of passages that are encoded after the same and together have at most so many tokens; a longer passage is one of
 * its own.
 */
export function* batches(wanted: readonly Wanted[], mostTokens = batchTokens): Generator<Wanted[]> {
  let batch: Wanted[] = [];
  let tokens = 0;
  for (const item of wanted) {
    const isOther = item.after !== batch[0]?.after;
    if (batch.length > 0 && (isOther || tokens + item.tokens.length > mostTokens)) {
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
