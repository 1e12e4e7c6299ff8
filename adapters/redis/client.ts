import { MissingPackageError } from '../../lib/errors.js';

/** What a command is sent with: replies as bytes, and no time limit but the store's own. */
export interface RedisCommandOptions {
  readonly typeMapping?: { readonly 36: typeof Buffer };
  readonly abortSignal?: AbortSignal;
  readonly timeout?: number;
}

/** The part of a client of the package `redis` that a store uses, as `createClient()` makes it. */
export interface RedisClientLike {
  readonly isReady: boolean;
  sendCommand(args: readonly (string | Buffer)[], options?: RedisCommandOptions): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
}

/** A client that is the store's own. */
export interface OwnClient extends RedisClientLike {
  once(event: 'ready' | 'error', listener: () => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
}

export interface OwnClientOptions {
  readonly url: string;
  readonly timeoutMs: number;
}

/** Milliseconds between pings of a connection that is not in use, so that one that died silently is found out. */
const pingMs = 10_000;
/** Most milliseconds between two attempts to connect again. */
const maxPauseMs = 2000;

/**
 * Makes a client that never keeps a command for later: while there is no connection, calls fail at once.
 * @throws MissingPackageError
 */
export async function makeClient({ url, timeoutMs }: OwnClientOptions): Promise<OwnClient> {
  const { createClient } = await loadRedis();
  const client = createClient({
    url,
    // Replies look the same in all versions of client and server.
    RESP: 2,
    disableOfflineQueue: true,
    commandsQueueMaxLength: 10_000,
    socket: {
      connectTimeout: Math.ceil(timeoutMs),
      socketTimeout: Math.ceil(3 * pingMs + timeoutMs),
      // Not all at the same moment, when many lost their connection at once.
      reconnectStrategy: (retries) =>
        Math.min(maxPauseMs, 50 * 2 ** Math.min(retries, 10)) * (0.5 + 0.5 * Math.random()),
    },
  });
  // Not by the client's own timer: one that is destroyed while it connects may go on pinging, and the process with it.
  const pings = setInterval(() => {
    if (client.isReady) client.sendCommand(['PING']).catch(() => {});
  }, pingMs);
  pings.unref();
  const destroy = client.destroy.bind(client);
  return Object.assign(client, {
    destroy: () => {
      clearInterval(pings);
      destroy();
    },
  });
}

async function loadRedis(): Promise<typeof import('redis')> {
  try {
    return await import('redis');
  } catch (cause) {
    throw new MissingPackageError('redis', 'A store in Redis', { cause });
  }
}
