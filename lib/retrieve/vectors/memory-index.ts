import { DisposedError } from '../../errors.js';
import { runSteps, type Steps } from '../../pace.js';
import type {
  SavableVectorIndex,
  VectorCallOptions,
  VectorEntry,
  VectorMatch,
  VectorMetric,
  VectorQueryOptions,
} from '../vector-index.js';
import {
  type AddMode,
  type CheckedEntry,
  checkEntries,
  checkIds,
  checkQuery,
  idIsTaken,
} from './entries.js';
import { filterMatches, type MetadataFilter } from '../filter.js';
import { VectorRows } from './rows.js';
import { type ExtraBlocks, type SnapshotHeader, writeSnapshot } from './snapshot.js';
import { Turns } from './turns.js';

/**
 * An exact index over rows in memory. One that has something beside its rows to find the nearest sooner overrides how
 * rows are put, taken and searched.
 */
export class MemoryIndex implements SavableVectorIndex {
  readonly dimensions: number;
  readonly metric: VectorMetric;
  readonly fingerprint: string;
  readonly #turns = new Turns();
  #rows: VectorRows | undefined;

  constructor({ dimensions, metric, fingerprint }: SnapshotHeader, rows: VectorRows) {
    this.dimensions = dimensions;
    this.metric = metric;
    this.fingerprint = fingerprint;
    this.#rows = rows;
  }

  async size({ signal }: VectorCallOptions = {}): Promise<number> {
    signal?.throwIfAborted();
    return this.rows.size;
  }

  add(entries: readonly VectorEntry[], options: VectorCallOptions = {}): Promise<void> {
    return this.#putAll(entries, 'add', options);
  }

  upsert(entries: readonly VectorEntry[], options: VectorCallOptions = {}): Promise<void> {
    return this.#putAll(entries, 'upsert', options);
  }

  async remove(ids: readonly string[], options: VectorCallOptions = {}): Promise<number> {
    this.#assertOpen();
    checkIds(ids);
    return this.inTurn(options, async () => {
      const { rows } = this;
      const before = rows.size;
      await runSteps(this.#takeSteps(rows, ids), options);
      const removed = before - rows.size;
      await this.afterRemoval(rows, options);
      return removed;
    });
  }

  async query(vector: Float32Array, options: VectorQueryOptions): Promise<VectorMatch[]> {
    const { rows } = this;
    const { k, filter, signal } = options;
    const query = checkQuery(vector, options, this);
    return runSteps(this.nearest(rows, query, k, filter), { signal });
  }

  async clear({ signal }: VectorCallOptions = {}): Promise<void> {
    this.#assertOpen();
    await this.inTurn({ signal }, async () => {
      this.#assertOpen();
      this.start();
      // Queries that are under way keep what they began with.
      this.#rows = new VectorRows(this);
    });
  }

  async *toBytes({ signal }: VectorCallOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    const end = await this.#turns.take(signal);
    try {
      const { dimensions, metric, fingerprint, rows } = this;
      const header = { dimensions, metric, fingerprint };
      yield* writeSnapshot(header, rows, this.extraBlocks(rows, signal), signal);
    } finally {
      end();
    }
  }

  vectorOf(id: string): Float32Array | undefined {
    const { rows } = this;
    const place = rows.placeOf(id);
    return place === undefined ? undefined : rows.vectorAt(place).slice();
  }

  async close(): Promise<void> {
    await this.inTurn({}, async () => {
      this.#rows = undefined;
      this.stop();
    });
  }

  /** @throws DisposedError */
  protected get rows(): VectorRows {
    if (!this.#rows) throw new DisposedError('vector index');
    return this.#rows;
  }

  /** False once the index was cleared or closed; a query that is under way goes on with the rows it began with. */
  protected isCurrent(rows: VectorRows): boolean {
    return this.#rows === rows;
  }

  /** Nothing else changes the index meanwhile. */
  protected inTurn<T>({ signal }: VectorCallOptions, work: () => Promise<T>): Promise<T> {
    return this.#turns.run(work, signal);
  }

  protected put(rows: VectorRows, entry: CheckedEntry): void {
    rows.put(entry);
  }

  protected take(rows: VectorRows, id: string): void {
    rows.take(id);
  }

  protected async afterRemoval(_rows: VectorRows, _options: VectorCallOptions): Promise<void> {}

  protected nearest(
    rows: VectorRows,
    query: Float32Array,
    k: number,
    filter: MetadataFilter | undefined,
  ): Steps<VectorMatch[]> {
    return rows.search(query, k, filter && ((metadata) => filterMatches(filter, metadata)));
  }

  /** Begins with no rows. */
  protected start(): void {}

  /** Lets go of what is beside the rows. */
  protected stop(): void {}

  protected extraBlocks(_rows: VectorRows, _signal?: AbortSignal): ExtraBlocks {
    return [];
  }

  async #putAll(
    entries: readonly VectorEntry[],
    mode: AddMode,
    options: VectorCallOptions,
  ): Promise<void> {
    this.#assertOpen();
    const checked = await runSteps(checkEntries(entries, mode, this), options);
    await this.inTurn(options, () => runSteps(this.#putSteps(this.rows, checked, mode), options));
  }

  *#putSteps(rows: VectorRows, entries: readonly CheckedEntry[], mode: AddMode): Steps<void> {
    if (mode === 'add') {
      for (const { id } of entries) {
        if (rows.placeOf(id) !== undefined) throw idIsTaken(id);
        yield 0;
      }
    }
    for (const [i, entry] of entries.entries()) {
      this.put(rows, entry);
      yield i / entries.length;
    }
  }

  *#takeSteps(rows: VectorRows, ids: readonly string[]): Steps<void> {
    for (const [i, id] of ids.entries()) {
      this.take(rows, id);
      yield i / ids.length;
    }
  }

  #assertOpen(): void {
    if (!this.#rows) throw new DisposedError('vector index');
  }
}
