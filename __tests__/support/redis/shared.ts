import { accessTo, type ServerAccess } from './client.js';
import { beforeRedisTests, type RedisServer, startRedis } from './server.js';

/** A server for all tests of a file, and a look behind the stores' back. There once the first test runs. */
export interface SharedRedis {
  readonly server: RedisServer;
  readonly behind: ServerAccess;
}

export function sharedRedis(): SharedRedis {
  const shared = {} as { server: RedisServer; behind: ServerAccess };
  beforeRedisTests(async () => {
    shared.server = await startRedis();
    shared.behind = await accessTo(shared.server);
  });
  return shared;
}
