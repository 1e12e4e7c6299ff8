import { attempt } from '../../lib/store/tiered/attempt.js';
import { makeClient, type OwnClient, type RedisClientLike } from './client.js';
import { ServerFailure } from '../record/server-failure.js';

export interface ConnectionOptions {
  readonly url: string;
  /** Somebody else's client, who connects and closes it. */
  readonly client: RedisClientLike | undefined;
  readonly timeoutMs: number;
}

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
  /** When the call that this is a part of is late, by `performance.now()`; default the store's time from now. */
  readonly lateAt?: number | undefined;
}

/**
 * Sends commands, each within a deadline. Where there is no connection they fail at once, and one is looked for in
 * the background; only the very first command waits for it.
 */
export class Connection {
  readonly timeoutMs: number;
  readonly #options: ConnectionOptions;
  /** Set once the first attempt to connect has ended, well or not. */
  #opening: Promise<RedisClientLike> | undefined;
  #own: OwnClient | undefined;
  #problem = 'it is not connected';
  #closed = false;
  readonly #onError = (error: Error): void => {
    this.#problem = problemOf(error);
  };

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.timeoutMs = options.timeoutMs;
  }

  /** When a call that begins now is late. */
  lateAt(): number {
    return performance.now() + this.timeoutMs;
  }

  /**
   * Texts come back as bytes.
   * @throws ServerFailure, MissingPackageError, the signal's reason
   */
  async send(
    args: readonly (string | Buffer)[],
    { signal, lateAt = this.lateAt() }: SendOptions = {},
  ): Promise<unknown> {
    const opening = (this.#opening ??= this.#open());
    const { outcome } = attempt(
      async (abortSignal) => {
        // A package that is missing is not the server's failure.
        const client = await opening.catch(() => undefined);
        if (!client?.isReady) throw new Error(this.#problem);
        const typeMapping = { 36: Buffer } as const;
        return await client.sendCommand(args, { typeMapping, abortSignal, timeout: 0 });
      },
      { deadlineMs: Math.max(0, lateAt - performance.now()), signal },
    );
    const result = await outcome;
    if (result.ok) return result.value;
    await Promise.race([opening, undefined]);
    throw new ServerFailure(result.problem, result.reason);
  }

  /** Ends the connection if it is the store's own. What is under way fails. */
  async close(): Promise<void> {
    this.#closed = true;
    const client = await this.#opening?.catch(() => undefined);
    client?.off('error', this.#onError);
    // What is still told after the end must not bring the process down.
    this.#own?.on('error', () => {});
    this.#own?.destroy();
  }

  async #open(): Promise<RedisClientLike> {
    const { client, url } = this.#options;
    if (client) {
      client.on('error', this.#onError);
      return client;
    }
    const own = await makeClient({ url, timeoutMs: this.timeoutMs });
    this.#own = own;
    own.on('error', this.#onError);
    if (this.#closed) return own;
    const first = new Promise<void>((resolve) => {
      own.once('ready', resolve);
      own.once('error', resolve);
    });
    // It goes on trying for as long as it takes.
    own.connect().catch(this.#onError);
    await first;
    return own;
  }
}

/** Of an attempt at several addresses, the first one's problem: the whole has no message of its own. */
function problemOf(error: Error): string {
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return inner instanceof Error && inner.message !== '' ? inner.message : String(inner);
}
