/** Chunk KV in S3-compatible buckets, shared between machines. */

export type { S3ClientLike, S3Connection } from './client.js';
export type { S3StoreOptions } from './options.js';
export { s3Store, type S3Store } from './s3-store.js';
