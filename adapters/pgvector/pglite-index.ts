import { MissingPackageError, VectorIndexError } from '../../lib/errors.js';
import type { VectorCallOptions, VectorIndex } from '../../lib/retrieve/vector-index.js';
import { checkOptions, type PgVectorOptions } from './options.js';
import { openPgVectorIndex } from './pg-vector-index.js';

export interface PgliteIndexOptions extends PgVectorOptions {
  /** Folder of the database; made if it is not there. One process at a time. Default: in memory, gone once closed. */
  readonly directory?: string;
}

/**
 * A vector index in a PostgreSQL that runs inside this process: durable, and nothing to set up but the packages
 * `@electric-sql/pglite` and `@electric-sql/pglite-pgvector`. Starting it takes a second or more, and it computes on this
 * thread. `close()` ends it.
 *
 * @throws MissingPackageError, and what `pgVectorIndex` throws.
 */
export async function pgliteIndex(
  options: PgliteIndexOptions & VectorCallOptions,
): Promise<VectorIndex> {
  const { directory, signal } = options;
  checkOptions(options);
  signal?.throwIfAborted();
  const { PGlite, vector } = await loadPglite();
  let database: InstanceType<typeof PGlite> | undefined;
  try {
    database = new PGlite({
      extensions: { vector },
      ...(directory !== undefined && { dataDir: directory }),
    });
    await database.waitReady;
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new VectorIndexError(
      `The database ${directory === undefined ? 'in memory' : `in ${directory}`} could not be started: ${problem}. Is another process using it?`,
      { cause },
    );
  }
  const opened = database;
  try {
    return await openPgVectorIndex(options, opened, () => opened.close(), signal);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function loadPglite() {
  const purpose = 'A vector index in PGlite';
  const { PGlite } = await import('@electric-sql/pglite').catch((cause: unknown) => {
    throw new MissingPackageError('@electric-sql/pglite', purpose, { cause });
  });
  const { vector } = await import('@electric-sql/pglite-pgvector').catch((cause: unknown) => {
    throw new MissingPackageError('@electric-sql/pglite-pgvector', purpose, { cause });
  });
  return { PGlite, vector };
}
