/** A vector index in PostgreSQL with pgvector: on a server, or inside the process with PGlite. */

export type { PgClientLike } from './client.js';
export type { PgVectorIndexOptions, PgVectorOptions } from './options.js';
export { pgVectorIndex } from './pg-vector-index.js';
export { pgliteIndex, type PgliteIndexOptions } from './pglite-index.js';
