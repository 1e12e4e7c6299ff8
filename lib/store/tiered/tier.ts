import type { CostModel } from '../../reuse/cost/cost-model.js';
import type {
  ChunkRecord,
  ChunkStore,
  GetOptions,
  Lease,
  LeaseOptions,
  ListOptions,
  RecordInfo,
  RecordUse,
} from '../chunk-store.js';
import { chunkOf } from '../chunk-key.js';
import { StoreMeter } from '../meter.js';
import { recordInfo } from '../record.js';
import type { MissReason, StoreListener, StoreStats } from '../store-stats.js';
import type { Outcome } from './attempt.js';
import { Circuit } from './circuit.js';
import { Guard } from './guard.js';
import type { TierSettings } from './options.js';
import { UnseenUses } from './unseen-uses.js';
import { Payoff } from './worth.js';
import type { Write } from './write.js';
import { TierWrites } from './writes.js';

/** A record, or why there is none. */
export type Found = { readonly record: ChunkRecord } | { readonly reason: MissReason };

/** What waits to reach a tier. */
export interface TierBacklog {
  readonly name: string;
  /** Whether the tier is left alone after failures. */
  readonly isLeftAlone: boolean;
  /** Records and bytes that are queued or being written. */
  readonly records: number;
  readonly bytes: number;
  /** Records that are hidden here and still to be deleted there. */
  readonly deletions: number;
}

/** One store of several: asked within deadlines, left alone while it fails, read only where that pays. */
export class Tier {
  readonly name: string;
  readonly store: ChunkStore;
  readonly guard: Guard;
  readonly writes: TierWrites;
  readonly payoff: Payoff;
  readonly #settings: TierSettings;
  readonly #uses: UnseenUses;
  #stats: StoreStats | undefined;

  constructor(
    settings: TierSettings,
    { costs, tellUsesMs }: { readonly costs: CostModel; readonly tellUsesMs: number },
    onEvent: StoreListener | undefined,
    onLost: (write: Write) => void,
  ) {
    this.#settings = settings;
    this.name = settings.name;
    this.store = settings.store;
    const meter = new StoreMeter(settings.name, onEvent);
    const circuit = new Circuit(settings.circuit, {
      onOpen: (problem) => meter.circuit('open', problem),
      onClosed: () => {
        meter.circuit('closed');
        this.writes.tryParked();
      },
    });
    this.guard = new Guard(circuit);
    this.writes = new TierWrites(settings, this.guard, onLost);
    this.payoff = new Payoff(costs, settings.name);
    this.#uses = new UnseenUses(this.store.used ? tellUsesMs : Infinity);
  }

  get backlog(): TierBacklog {
    return {
      name: this.name,
      isLeftAlone: this.guard.circuit.isOpen,
      ...this.writes.backlog,
    };
  }

  /** Reads within the tier's deadline. */
  ask<T>(work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<Outcome<T>> {
    const { deadlineMs } = this.#settings;
    return this.guard.call(work, { deadlineMs, signal }).outcome;
  }

  /**
   * What is on its way here, where that decides what is read: a record, `none` where it is being deleted,
   * undefined where the store is to be asked.
   */
  pending(key: string): ChunkRecord | 'none' | undefined {
    const write = this.writes.find(key);
    if (!write) return undefined;
    // A copy of another tier's record only stands in where the store does not have it yet.
    if (write.manner === 'promotion') return undefined;
    return write.record ?? 'none';
  }

  async get(key: string, { signal, worth }: GetOptions): Promise<Found> {
    const pending = this.pending(key);
    if (pending === 'none') return { reason: 'absent' };
    if (pending) return { record: pending };
    if (!this.payoff.pays(worth)) return { reason: 'not-worth-it' };
    const start = performance.now();
    const outcome = await this.ask(
      (given) => this.store.get(key, { signal: given, ...(worth && { worth }) }),
      signal,
    );
    if (!outcome.ok) return { reason: outcome.reason };
    const record = outcome.value;
    if (record) {
      this.payoff.loaded(record.kv.data.byteLength, performance.now() - start, worth);
      this.#uses.seen(key);
      return { record };
    }
    const copy = this.writes.find(key)?.record;
    return copy ? { record: copy } : { reason: 'absent' };
  }

  async info(key: string): Promise<RecordInfo | undefined> {
    const pending = this.pending(key);
    if (pending === 'none') return undefined;
    if (pending) {
      const { created: lastUsed } = pending;
      return recordInfo(key, pending, { lastUsed });
    }
    const outcome = await this.ask(() => this.store.info(key));
    return outcome.ok ? outcome.value : undefined;
  }

  async has(key: string): Promise<boolean> {
    const pending = this.pending(key);
    if (pending) return pending !== 'none';
    const outcome = await this.ask(() => this.store.has(key));
    return outcome.ok && outcome.value;
  }

  /** Whether it was kept, or will be written later. */
  async put(key: string, record: ChunkRecord, signal?: AbortSignal): Promise<boolean> {
    this.#uses.seen(key);
    if (this.#settings.write === 'behind') return this.writes.putBehind(key, record, signal);
    const outcome = await this.writes.put(key, record, signal);
    return outcome.ok && outcome.value;
  }

  /** A faster tier gave the record out. Now and then the store is told of it. */
  async usedElsewhere(key: string): Promise<void> {
    const unseen = this.#uses.add(key);
    if (unseen > 0) await this.used(key, { unseen });
  }

  /** Tells the store of a use, if it wants to know. */
  async used(key: string, use: RecordUse): Promise<void> {
    if (this.store.used) await this.ask(async () => this.store.used?.(key, use));
  }

  /** The store has just read it without this being asked. */
  noteRead(key: string): void {
    this.#uses.seen(key);
  }

  /** Keys that are there or on their way. Returns what went wrong, if anything did. */
  async *list(options: ListOptions): AsyncGenerator<string, string | undefined> {
    const { chunk, signal } = options;
    const controller = new AbortController();
    const coming = [...this.writes.keys()].filter((key) => {
      const pending = this.pending(key);
      return pending && pending !== 'none' && (chunk === undefined || chunkOf(key) === chunk);
    });
    const keys = this.store.list({ ...options, signal: controller.signal })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const outcome = await this.ask(() => keys.next(), signal);
        if (!outcome.ok) {
          controller.abort();
          return `${this.name}: ${outcome.problem}`;
        }
        if (outcome.value.done) break;
        if (this.pending(outcome.value.value) !== 'none') yield outcome.value.value;
      }
      for (const key of coming) if (this.pending(key) !== 'none') yield key;
      return undefined;
    } finally {
      // Not waited for: it may hang where the tier does.
      keys.return?.()?.catch(() => {});
    }
  }

  lease(key: string, options: LeaseOptions): Promise<Outcome<Lease | undefined>> {
    const { ttlMs, signal } = options;
    return this.ask(async (given) => {
      const lease = await this.store.lease?.(key, { ttlMs, signal: given });
      // Nobody would give back one that comes too late.
      if (given.aborted) await lease?.release();
      return lease && this.#bounded(lease);
    }, signal);
  }

  /** A lease that is not waited for in vain when it is given back: it ends by itself. */
  #bounded(lease: Lease): Lease {
    const release = async (): Promise<void> => {
      await this.ask(() => lease.release());
    };
    return { release, [Symbol.asyncDispose]: release };
  }

  /** The latest that are known. */
  async stats(): Promise<StoreStats> {
    const outcome = await this.ask(() => this.store.stats());
    if (outcome.ok) this.#stats = outcome.value;
    return this.#stats ?? new StoreMeter(this.name).stats({ records: 0, bytes: 0, maxBytes: 0 });
  }

  /** Writes what is queued, then closes the store. Resolves to what did not work. */
  async close(): Promise<string[]> {
    const undone = await this.writes.close();
    const { writeDeadlineMs: deadlineMs } = this.#settings;
    const closing = this.guard.call(() => this.store.close(), { deadlineMs, always: true });
    const outcome = await closing.outcome;
    const problems: string[] = [];
    if (undone > 0) {
      const records = undone === 1 ? 'a record that was' : `${undone} records that were`;
      problems.push(`${this.name} still has ${records} deleted: delete again when it answers`);
    }
    if (!outcome.ok) problems.push(`${this.name} did not close: ${outcome.problem}`);
    return problems;
  }
}
