import { DisposedError } from '../errors.js';
import { runSteps, type Steps } from '../pace.js';
import type {
  SavableVectorIndex,
  VectorCallOptions,
  VectorEntry,
  VectorMatch,
  VectorMetric,
  VectorQueryOptions,
  VectorSource,
} from './vector-index.js';
import type { Bytes } from './vectors/blocks.js';
import {
  type AddMode,
  type CheckedEntry,
  checkEntries,
  checkIds,
  checkQuery,
  checkSource,
  idIsTaken,
} from './vectors/entries.js';
import { filterMatches } from './vectors/filter.js';
import { VectorRows } from './vectors/rows.js';
import { readSnapshot, writeSnapshot } from './vectors/snapshot.js';
import { Turns } from './vectors/turns.js';

export interface FlatIndexOptions {
  /** The embedder that the vectors come from, or its `fingerprint` and `dimensions`. */
  readonly embedder: VectorSource;
  /** Default `cosine`. */
  readonly metric?: VectorMetric;
}

/**
 * Exact nearest neighbours: every query is compared with every vector, in slices that leave the event loop its turns.
 * The choice for up to some 50,000 vectors. Holds 4 bytes a number, and id and metadata.
 *
 * @throws InvalidArgumentError
 */
export function flatIndex(options: FlatIndexOptions): SavableVectorIndex {
  const { embedder, metric = 'cosine' } = options;
  checkSource('flatIndex', embedder, metric);
  const { dimensions, fingerprint } = embedder;
  return new FlatIndex({ dimensions, metric, fingerprint }, new VectorRows({ dimensions, metric }));
}

/**
 * Brings back what `toBytes()` gave, also that of another kind of index in memory: its vectors are the same.
 *
 * @throws IndexFileError for bytes that are damaged or cut short; IndexMismatchError for an index of another embedder,
 * dimension or metric; InvalidArgumentError; the signal's reason.
 */
export async function restoreFlatIndex(
  bytes: Bytes,
  options: FlatIndexOptions & VectorCallOptions,
): Promise<SavableVectorIndex> {
  const { embedder: source, metric = 'cosine', signal } = options;
  checkSource('restoreFlatIndex', source, metric);
  const rows = await readSnapshot(bytes, { source, metric, signal });
  const { dimensions, fingerprint } = source;
  return new FlatIndex({ dimensions, metric, fingerprint }, rows);
}

interface Header {
  readonly dimensions: number;
  readonly metric: VectorMetric;
  readonly fingerprint: string;
}

class FlatIndex implements SavableVectorIndex {
  readonly dimensions: number;
  readonly metric: VectorMetric;
  readonly fingerprint: string;
  readonly #turns = new Turns();
  #rows: VectorRows | undefined;

  constructor({ dimensions, metric, fingerprint }: Header, rows: VectorRows) {
    this.dimensions = dimensions;
    this.metric = metric;
    this.fingerprint = fingerprint;
    this.#rows = rows;
  }

  async size({ signal }: VectorCallOptions = {}): Promise<number> {
    signal?.throwIfAborted();
    return this.#open().size;
  }

  add(entries: readonly VectorEntry[], options: VectorCallOptions = {}): Promise<void> {
    return this.#put(entries, 'add', options);
  }

  upsert(entries: readonly VectorEntry[], options: VectorCallOptions = {}): Promise<void> {
    return this.#put(entries, 'upsert', options);
  }

  async remove(ids: readonly string[], options: VectorCallOptions = {}): Promise<number> {
    this.#open();
    checkIds(ids);
    return this.#turns.run(async () => {
      const rows = this.#open();
      const before = rows.size;
      await runSteps(takeAll(rows, ids), options);
      return before - rows.size;
    }, options.signal);
  }

  async query(vector: Float32Array, options: VectorQueryOptions): Promise<VectorMatch[]> {
    const rows = this.#open();
    const { k, filter, signal } = options;
    const query = checkQuery(vector, options, this);
    const accepts =
      filter && ((metadata: VectorMatch['metadata']) => filterMatches(filter, metadata));
    return runSteps(rows.search(query, k, accepts), { signal });
  }

  async clear({ signal }: VectorCallOptions = {}): Promise<void> {
    this.#open();
    await this.#turns.run(async () => {
      this.#open();
      // Queries that are under way keep what they began with.
      this.#rows = new VectorRows(this);
    }, signal);
  }

  async *toBytes({ signal }: VectorCallOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    const end = await this.#turns.take(signal);
    try {
      const { dimensions, metric, fingerprint } = this;
      yield* writeSnapshot({ dimensions, metric, fingerprint }, this.#open(), [], signal);
    } finally {
      end();
    }
  }

  async close(): Promise<void> {
    await this.#turns.run(async () => {
      this.#rows = undefined;
    });
  }

  async #put(
    entries: readonly VectorEntry[],
    mode: AddMode,
    { signal }: VectorCallOptions,
  ): Promise<void> {
    this.#open();
    const checked = await runSteps(checkEntries(entries, mode, this), { signal });
    await this.#turns.run(() => runSteps(putAll(this.#open(), checked, mode), { signal }), signal);
  }

  #open(): VectorRows {
    if (!this.#rows) throw new DisposedError('vector index');
    return this.#rows;
  }
}

function* putAll(rows: VectorRows, entries: readonly CheckedEntry[], mode: AddMode): Steps<void> {
  if (mode === 'add') {
    for (const { id } of entries) {
      if (rows.placeOf(id) !== undefined) throw idIsTaken(id);
      yield 0;
    }
  }
  for (const [i, entry] of entries.entries()) {
    rows.put(entry);
    yield i / entries.length;
  }
}

function* takeAll(rows: VectorRows, ids: readonly string[]): Steps<void> {
  for (const [i, id] of ids.entries()) {
    rows.take(id);
    yield i / ids.length;
  }
}
