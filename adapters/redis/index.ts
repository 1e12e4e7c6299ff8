/** Chunk KV in Redis or Valkey, shared between processes and machines. */

export type { RedisClientLike, RedisCommandOptions } from './client.js';
export type { RedisStoreOptions } from './options.js';
export { redisStore, type RedisStore } from './redis-store.js';
