import { InvalidArgumentError } from '../../lib/errors.js';
import type { VectorMetric, VectorSource } from '../../lib/retrieve/vector-index.js';
import { checkSource } from '../../lib/retrieve/vectors/entries.js';
import type { PgClientLike } from './client.js';
import { quotedName } from './identifiers.js';

export interface PgVectorOptions {
  /** The embedder that the vectors come from, or its `fingerprint` and `dimensions`. */
  readonly embedder: VectorSource;
  /** Default `cosine`. */
  readonly metric?: VectorMetric;
  /** Letters, digits and underlines; made if it is not there. Default `public`. */
  readonly schema?: string;
  /** Of the entries: up to 40 letters, digits and underlines; made if it is not there. Default `chunkweave_vectors`. */
  readonly table?: string;
  /**
   * `hnsw` (default) has the database keep a graph, for up to 2,000 dimensions; without, with `none`, every query looks at
   * every vector and finds exactly the nearest.
   */
  readonly index?: 'hnsw' | 'none';
  /** Neighbours that each vector is linked to, from 2 to 100. Default 16. */
  readonly connections?: number;
  /** Candidates looked at when a vector is linked, from 4 to 1,000 and at least twice `connections`. Default 64. */
  readonly efConstruction?: number;
  /** Candidates looked at by a query, at least, from 1 to 1,000. Default 100. */
  readonly efSearch?: number;
  /** Entries that one statement adds. An add that is aborted ends between two of them. Default 100. */
  readonly batch?: number;
  /** Milliseconds that each statement may take. Default 10,000. */
  readonly timeoutMs?: number;
  /** Milliseconds that making the graph of a table that has entries may take. Default 600,000. */
  readonly buildTimeoutMs?: number;
}

export interface PgVectorIndexOptions extends PgVectorOptions {
  /** Sends the statements: a `Pool` or `Client` of `pg`, or a `PGlite`. It stays yours to end. */
  readonly client: PgClientLike;
}

/** What the database is told, with names as SQL takes them. */
export interface CheckedOptions extends Required<PgVectorOptions> {
  readonly names: Names;
}

export interface Names {
  readonly schema: string;
  readonly table: string;
  readonly index: string;
  /** Says of each table what it was made for. */
  readonly about: string;
}

const maxGraphDimensions = 2000;
const longestTimeout = 2 ** 31 - 1;

/** @throws InvalidArgumentError */
export function checkOptions(options: PgVectorOptions): CheckedOptions {
  const checked = {
    metric: 'cosine',
    schema: 'public',
    table: 'chunkweave_vectors',
    index: 'hnsw',
    connections: 16,
    efConstruction: 64,
    efSearch: 100,
    batch: 100,
    timeoutMs: 10_000,
    buildTimeoutMs: 600_000,
    ...options,
  } as const;
  checkSource('pgVectorIndex', checked.embedder, checked.metric);
  const { schema, table, index, connections, efConstruction } = checked;
  if (index !== 'hnsw' && index !== 'none') refuse('index', index, 'give hnsw or none');
  for (const [name, least, most] of [
    ['connections', 2, 100],
    ['efConstruction', 4, 1000],
    ['efSearch', 1, 1000],
    ['batch', 1, 10_000],
    ['timeoutMs', 1, longestTimeout],
    ['buildTimeoutMs', 1, longestTimeout],
  ] as const) {
    const value = checked[name];
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    refuse(name, value, `give a whole number from ${least} to ${most}`);
  }
  if (efConstruction < 2 * connections) {
    refuse('efConstruction', efConstruction, `give at least ${2 * connections}, twice connections`);
  }
  if (index === 'hnsw' && checked.embedder.dimensions > maxGraphDimensions) {
    refuse(
      'index',
      index,
      `pgvector keeps graphs of up to ${maxGraphDimensions} dimensions, and the embedder has more: give none`,
    );
  }
  const quotedSchema = quotedName('schema', schema);
  const place = `${quotedSchema}.${quotedName('table', table, 40)}`;
  return {
    ...checked,
    names: {
      schema: quotedSchema,
      table: place,
      index: quotedName('table', `${table}_embedding_hnsw`),
      about: `${quotedSchema}."chunkweave_vector_indexes"`,
    },
  };
}

function refuse(name: string, value: unknown, advice: string): never {
  throw new InvalidArgumentError(`pgVectorIndex: ${name} is ${String(value)}; ${advice}.`);
}
