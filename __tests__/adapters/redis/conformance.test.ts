import { randomUUID } from 'node:crypto';
import { redisStore, type RedisStoreOptions } from '../../../adapters/redis/index.js';
import { memoryStore, tieredStore } from '../../../lib/index.js';
import { storeConformance } from '../../../lib/testing/index.js';
import { redisTest } from '../../support/redis/server.js';
import { sharedRedis } from '../../support/redis/shared.js';

const redis = sharedRedis();

const variants: Record<string, Partial<RedisStoreOptions>> = {
  redis: {},
  'redis, signed': { signingKey: 'a secret of enough bytes' },
  'redis of a tenant, with a time to live': { tenant: 'somebody', label: 'secret', ttlMs: 1e15 },
};

/** The sample records hold any bits, also those of numbers that are not finite. */
const any = { finite: false };

for (const [name, options] of Object.entries(variants)) {
  storeConformance(
    { test: redisTest },
    {
      name,
      create: ({ maxBytes }) =>
        redisStore({ url: redis.server.url, prefix: randomUUID(), maxBytes, ...any, ...options }),
    },
  );
}

storeConformance(
  { test: redisTest },
  {
    name: 'memory over redis',
    create: ({ maxBytes }) =>
      tieredStore([
        memoryStore({ maxBytes }),
        redisStore({ url: redis.server.url, prefix: randomUUID(), maxBytes, ...any }),
      ]),
    evictsLeastRecentlyUsed: false,
  },
);
