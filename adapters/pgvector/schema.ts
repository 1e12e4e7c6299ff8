import { IndexMismatchError, VectorIndexError } from '../../lib/errors.js';
import type { VectorMetric } from '../../lib/retrieve/vector-index.js';
import { orIndexError, type SendOptions, StatementError, Statements } from './client.js';
import type { CheckedOptions } from './options.js';

/** What two processes that make the same thing at once are told, `if not exists` or not. */
const madeMeanwhile = new Set(['23505', '42P07', '42710', '42P06']);
const attempts = 4;
/** Of the scan that goes on until a filter has been matched often enough. */
const leastVersion = [0, 8] as const;

const operators: Readonly<Record<VectorMetric, string>> = {
  cosine: 'vector_cosine_ops',
  dot: 'vector_ip_ops',
  euclidean: 'vector_l2_ops',
};

export interface OpenSchemaOptions extends SendOptions {
  readonly statements: Statements;
  /** For what may take long. */
  readonly patient: Statements;
}

/**
 * Makes the tables of an index where they are not there, and checks that they are of the same embedder and metric.
 * @throws IndexMismatchError, VectorIndexError, the signal's reason
 */
export async function openSchema(
  options: CheckedOptions,
  { statements, patient, signal }: OpenSchemaOptions,
): Promise<void> {
  const { embedder, metric, names, schema, table } = options;
  const { dimensions, fingerprint } = embedder;
  await openExtension(statements, signal);
  const make = (text: string, by = statements): Promise<void> =>
    orIndexError(`make the tables of the vector index`, () => makeOnce(by, text, signal));
  const rows = (text: string, parameters: readonly string[]) =>
    orIndexError('open the vector index', () => statements.rows(text, parameters, { signal }));
  const found = await rows('SELECT 1 FROM pg_namespace WHERE nspname = $1::text', [schema]);
  if (found.length === 0) await make(`CREATE SCHEMA IF NOT EXISTS ${names.schema}`);
  await make(
    `CREATE TABLE IF NOT EXISTS ${names.about} (name text PRIMARY KEY, version integer NOT NULL, dimensions integer NOT NULL, metric text NOT NULL, fingerprint text NOT NULL)`,
  );
  await rows(
    `INSERT INTO ${names.about} (name, version, dimensions, metric, fingerprint) VALUES ($1::text, 1, $2::text::integer, $3::text, $4::text) ON CONFLICT (name) DO NOTHING`,
    [table, String(dimensions), metric, fingerprint],
  );
  const [about = {}] = await rows(
    `SELECT version::text, dimensions::text, metric, fingerprint FROM ${names.about} WHERE name = $1::text`,
    [table],
  );
  const expected = { version: '1', dimensions: String(dimensions), metric, fingerprint };
  for (const [name, value] of Object.entries(expected)) {
    if (about[name] === value) continue;
    throw new IndexMismatchError(
      `The vector index in the table ${names.table} has the ${name} "${String(about[name]).slice(0, 80)}", not "${value.slice(0, 80)}".`,
    );
  }
  await make(
    `CREATE TABLE IF NOT EXISTS ${names.table} (id text COLLATE "C" PRIMARY KEY, embedding vector(${dimensions}) NOT NULL, metadata jsonb NOT NULL)`,
  );
  const columns = await rows(
    'SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped',
    [names.table],
  );
  const types = new Map(columns.map(({ name, type }) => [name, String(type).split('.').at(-1)]));
  for (const [name, type] of [
    ['id', 'text'],
    ['embedding', `vector(${dimensions})`],
    ['metadata', 'jsonb'],
  ] as const) {
    if (types.get(name) === type) continue;
    throw new IndexMismatchError(
      `The table ${names.table} has no column ${name} of type ${type}; it is not a vector index of these dimensions.`,
    );
  }
  if (options.index === 'none') return;
  const { connections, efConstruction } = options;
  await make(
    `CREATE INDEX IF NOT EXISTS ${names.index} ON ${names.table} USING hnsw (embedding ${operators[metric]}) WITH (m = ${connections}, ef_construction = ${efConstruction})`,
    patient,
  );
}

async function openExtension(statements: Statements, signal?: AbortSignal): Promise<void> {
  const versionOf = async (): Promise<string | undefined> => {
    const [row] = await orIndexError('be asked for pgvector', () =>
      statements.rows("SELECT extversion FROM pg_extension WHERE extname = 'vector'", [], {
        signal,
      }),
    );
    return row && String(row['extversion']);
  };
  let version = await versionOf();
  if (version === undefined) {
    await makeOnce(statements, 'CREATE EXTENSION IF NOT EXISTS vector', signal).catch(
      (error: unknown) => {
        if (!(error instanceof StatementError)) throw error;
        throw new VectorIndexError(
          `The database has no extension "vector", and it could not be made: ${error.message}. Install pgvector, and have a user who may do it run: CREATE EXTENSION vector`,
          { cause: error.cause },
        );
      },
    );
    version = await versionOf();
  }
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  if (major > leastVersion[0] || (major === leastVersion[0] && minor >= leastVersion[1])) return;
  throw new VectorIndexError(
    `The database has pgvector ${version}; ${leastVersion.join('.')} is needed. Run: ALTER EXTENSION vector UPDATE`,
  );
}

async function makeOnce(
  statements: Statements,
  text: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await statements.rows(text, [], { signal });
      return;
    } catch (error) {
      const isRace = error instanceof StatementError && madeMeanwhile.has(error.sqlState);
      if (!isRace || attempt === attempts) throw error;
    }
  }
}
