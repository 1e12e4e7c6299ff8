import { DisposedError, InvalidArgumentError } from '../../lib/errors.js';
import { pacer, runSteps } from '../../lib/pace.js';
import type {
  VectorCallOptions,
  VectorEntry,
  VectorIndex,
  VectorMatch,
  VectorMetric,
  VectorQueryOptions,
} from '../../lib/retrieve/vector-index.js';
import type { VectorMetadata } from '../../lib/retrieve/vector-metadata.js';
import {
  type AddMode,
  type CheckedEntry,
  checkEntries,
  checkIds,
  checkQuery,
  idIsTaken,
} from '../../lib/retrieve/vectors/entries.js';
import { byScoreThenId } from '../../lib/retrieve/vectors/top-matches.js';
import { Turns } from '../../lib/retrieve/vectors/turns.js';
import { orIndexError, type Row, StatementError, Statements } from './client.js';
import { conditionOf, Parameters } from './filter-sql.js';
import { type CheckedOptions, checkOptions, type PgVectorIndexOptions } from './options.js';
import { openSchema } from './schema.js';

/** Ids that one statement looks for. */
const idBatch = 1000;
/** Characters of one statement's entries. */
const maxBatchCharacters = 2 ** 24;
const maxEfSearch = 1000;

interface Comparison {
  /** By the operator of pgvector, less is nearer. */
  readonly operator: string;
  readonly scoreOf: (distance: number) => number;
}

const comparisons: Readonly<Record<VectorMetric, Comparison>> = {
  cosine: { operator: '<=>', scoreOf: (distance) => 1 - distance },
  dot: { operator: '<#>', scoreOf: (distance) => -distance },
  euclidean: { operator: '<->', scoreOf: (distance) => -distance },
};

/**
 * A vector index in PostgreSQL with pgvector 0.8 or later, which several processes may share. Makes its tables where
 * they are not there. Of entries of equal score at the end of a result, any may be the one that is left out.
 *
 * @throws InvalidArgumentError; IndexMismatchError where the table is of another embedder, dimension or metric;
 * VectorIndexError where the database fails, or is late (`reason`); the signal's reason.
 */
export async function pgVectorIndex(
  options: PgVectorIndexOptions & VectorCallOptions,
): Promise<VectorIndex> {
  const { client, signal } = options;
  return openPgVectorIndex(options, client, async () => {}, signal);
}

/** @param end lets go of the client, if it is the index's own. */
export async function openPgVectorIndex(
  options: Omit<PgVectorIndexOptions, 'client'>,
  client: PgVectorIndexOptions['client'],
  end: () => Promise<void>,
  signal?: AbortSignal,
): Promise<VectorIndex> {
  const checked = checkOptions(options);
  if (typeof client?.query !== 'function') {
    throw new InvalidArgumentError(
      'pgVectorIndex: the client has no query(text, parameters); give a Pool or Client of pg, or a PGlite.',
    );
  }
  const statements = new Statements(client, checked.timeoutMs);
  const patient = new Statements(client, checked.buildTimeoutMs);
  await openSchema(checked, { statements, patient, signal });
  return new PgIndex(checked, statements, end);
}

class PgIndex implements VectorIndex {
  readonly dimensions: number;
  readonly metric: VectorMetric;
  readonly fingerprint: string;
  readonly #options: CheckedOptions;
  readonly #statements: Statements;
  readonly #end: () => Promise<void>;
  readonly #turns = new Turns();
  #closing: Promise<void> | undefined;

  constructor(options: CheckedOptions, statements: Statements, end: () => Promise<void>) {
    const { embedder, metric } = options;
    this.dimensions = embedder.dimensions;
    this.fingerprint = embedder.fingerprint;
    this.metric = metric;
    this.#options = options;
    this.#statements = statements;
    this.#end = end;
  }

  async size({ signal }: VectorCallOptions = {}): Promise<number> {
    this.#assertOpen();
    const text = `SELECT count(*)::text AS size FROM ${this.#table}`;
    const [row] = await orIndexError('count the vectors', () =>
      this.#statements.rows(text, [], { signal }),
    );
    return Number(row?.['size']);
  }

  add(entries: readonly VectorEntry[], options: VectorCallOptions = {}): Promise<void> {
    return this.#put(entries, 'add', options);
  }

  upsert(entries: readonly VectorEntry[], options: VectorCallOptions = {}): Promise<void> {
    return this.#put(entries, 'upsert', options);
  }

  async remove(ids: readonly string[], { signal }: VectorCallOptions = {}): Promise<number> {
    this.#assertOpen();
    checkIds(ids);
    const text = `WITH gone AS (DELETE FROM ${this.#table} WHERE ${isAmong} RETURNING 1) SELECT count(*)::text AS removed FROM gone`;
    return this.#change(signal, async () => {
      let removed = 0;
      const pause = pacer(signal);
      for (let at = 0; at < ids.length; at += idBatch) {
        await pause();
        const batch = JSON.stringify(ids.slice(at, at + idBatch));
        const [row] = await orIndexError('remove vectors', () =>
          this.#statements.rows(text, [batch]),
        );
        removed += Number(row?.['removed']);
      }
      return removed;
    });
  }

  async query(vector: Float32Array, options: VectorQueryOptions): Promise<VectorMatch[]> {
    this.#assertOpen();
    const query = checkQuery(vector, options, this);
    const { k, signal } = options;
    const found = await this.#find(query, options, this.#options.index === 'hnsw');
    // The graph was given up before enough of what it found did match.
    const isShort = this.#options.index === 'hnsw' && found.length < k;
    const rows = isShort ? await this.#find(query, { ...options, signal }, false) : found;
    const { scoreOf } = comparisons[this.metric];
    return rows
      .map(({ id, distance, metadata }) => ({
        id: String(id),
        score: scoreOf(Number(distance)),
        metadata: JSON.parse(String(metadata)) as VectorMetadata,
      }))
      .sort(byScoreThenId);
  }

  async clear({ signal }: VectorCallOptions = {}): Promise<void> {
    this.#assertOpen();
    await this.#change(signal, () =>
      orIndexError('clear the vector index', () =>
        this.#statements.rows(`TRUNCATE ${this.#table}`),
      ),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#turns.run(() => this.#end());
    return this.#closing;
  }

  get #table(): string {
    return this.#options.names.table;
  }

  async #put(
    entries: readonly VectorEntry[],
    mode: AddMode,
    { signal }: VectorCallOptions,
  ): Promise<void> {
    this.#assertOpen();
    const checked = await runSteps(checkEntries(entries, mode, this), { signal });
    await this.#change(signal, async () => {
      if (mode === 'add') await this.#assertNew(checked, signal);
      // A database inside this process answers without ever leaving the event loop a turn.
      const pause = pacer(signal);
      for (const batch of batchesOf(checked, this.#options.batch)) {
        // A statement that was begun is waited for: what it comes to would otherwise be found out by nobody.
        await pause();
        await this.#insert(batch, mode);
      }
    });
  }

  async #assertNew(entries: readonly CheckedEntry[], signal?: AbortSignal): Promise<void> {
    const text = `SELECT id FROM ${this.#table} WHERE ${isAmong} LIMIT 1`;
    for (let at = 0; at < entries.length; at += idBatch) {
      const ids = entries.slice(at, at + idBatch).map(({ id }) => id);
      const [taken] = await orIndexError('look for ids', () =>
        this.#statements.rows(text, [JSON.stringify(ids)], { signal }),
      );
      if (taken) throw idIsTaken(String(taken['id']));
    }
  }

  async #insert(batch: string, mode: AddMode): Promise<void> {
    const onConflict =
      mode === 'upsert'
        ? 'ON CONFLICT (id) DO UPDATE SET embedding = excluded.embedding, metadata = excluded.metadata'
        : '';
    const text = `INSERT INTO ${this.#table} (id, embedding, metadata) SELECT id, embedding::vector, metadata FROM jsonb_to_recordset($1::text::jsonb) AS entry(id text, embedding text, metadata jsonb) ${onConflict}`;
    try {
      await orIndexError('add vectors', () => this.#statements.rows(text, [batch]));
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      if (new StatementError(cause).sqlState !== '23505') throw error;
      throw new InvalidArgumentError(
        'Another process added an entry of the same id meanwhile; entries of the batches before were added. Use upsert to replace an entry.',
        { cause: error },
      );
    }
  }

  async #find(
    query: Float32Array,
    { k, filter, signal }: VectorQueryOptions,
    byGraph: boolean,
  ): Promise<readonly Row[]> {
    const parameters = new Parameters();
    const vector = `${parameters.bind(textOf(query))}::vector`;
    const limit = parameters.bind(String(k));
    const condition = filter ? conditionOf(filter, parameters) : 'true';
    const distance = `embedding ${comparisons[this.metric].operator} ${vector}`;
    // Only the bare distance is what the graph is ordered by.
    const order = byGraph ? distance : `(${distance}) + 0`;
    const select = `SELECT id, metadata::text AS metadata, ${distance} AS distance FROM ${this.#table}`;
    const end = `${condition} ORDER BY ${order} LIMIT ${limit}::bigint`;
    let text = `${select} WHERE ${end}`;
    if (byGraph) {
      const ef = Math.min(maxEfSearch, Math.max(this.#options.efSearch, k));
      // Settings for this statement alone, whatever connection it comes to: they are made before the scan begins, since
      // it asks for them.
      const settings = `SELECT set_config('hnsw.ef_search', ${parameters.bind(String(ef))}, true) AS ef, set_config('hnsw.iterative_scan', 'strict_order', true) AS scan`;
      text = `SELECT id, metadata, distance FROM (${settings} OFFSET 0) AS setting CROSS JOIN LATERAL (${select} WHERE setting.ef IS NOT NULL AND setting.scan IS NOT NULL AND ${end}) AS match`;
    }
    return orIndexError('search the vectors', () =>
      this.#statements.rows(text, parameters.values, { signal }),
    );
  }

  #change<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      this.#assertOpen();
      return work();
    }, signal);
  }

  #assertOpen(): void {
    if (this.#closing) throw new DisposedError('vector index');
  }
}

const isAmong = 'id IN (SELECT jsonb_array_elements_text($1::text::jsonb))';

/** JSON lists of entries for one statement each. */
function* batchesOf(entries: readonly CheckedEntry[], most: number): Generator<string, void, void> {
  let batch: string[] = [];
  let characters = 0;
  for (const { id, vector, scale, metadata } of entries) {
    const embedding = textOf(vector.map((value) => value * scale));
    const entry = JSON.stringify({ id, embedding, metadata });
    batch.push(entry);
    characters += entry.length;
    if (batch.length < most && characters < maxBatchCharacters) continue;
    yield `[${batch.join(',')}]`;
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield `[${batch.join(',')}]`;
}

/** As pgvector reads it. Nine digits tell numbers of single precision apart. */
function textOf(vector: Float32Array): string {
  return `[${Array.from(vector, (value) => value.toPrecision(9)).join(',')}]`;
}
