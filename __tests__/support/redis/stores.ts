import { randomUUID } from 'node:crypto';
import { afterAll, afterEach } from '@jest/globals';
import {
  redisStore,
  type RedisStore,
  type RedisStoreOptions,
} from '../../../adapters/redis/index.js';
import type { StoreEvent } from '../../../lib/index.js';
import type { RedisServer } from './server.js';

const opened = new Set<RedisStore>();

const closeAll = async (): Promise<void> => {
  const stores = [...opened];
  opened.clear();
  for (const store of stores) await store.close();
};
afterEach(closeAll);
afterAll(closeAll);

/** A store that is closed after the test, among names that nobody else has, and what it tells. */
export function openStore(
  server: Pick<RedisServer, 'url'>,
  options: RedisStoreOptions = {},
): { readonly store: RedisStore; readonly events: StoreEvent[]; readonly prefix: string } {
  const events: StoreEvent[] = [];
  const { prefix = randomUUID() } = options;
  const where = options.client ? {} : { url: server.url };
  const store = redisStore({
    ...where,
    onEvent: (event) => events.push(event),
    ...options,
    prefix,
  });
  opened.add(store);
  return { store, events, prefix };
}

/** Waits until something holds; fails after some seconds. */
export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + 15_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('this does not come to hold');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
