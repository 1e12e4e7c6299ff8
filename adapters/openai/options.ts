import { InvalidArgumentError } from '../../lib/errors.js';
import type { RemoteServer } from '../../lib/remote/remote-server.js';

export interface OpenAiOptions {
  /** Up to and including the version, for example `http://127.0.0.1:8000/v1`. */
  readonly baseUrl: string;
  readonly model: string;
  /** Sent as a bearer token; default none. */
  readonly apiKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What runs there; default a hosted API that finds prefixes itself. */
  readonly server?: RemoteServer;
  /** Milliseconds until an answer begins, of each attempt; default 60,000. */
  readonly timeoutMs?: number;
  /** Milliseconds that an answer may pause; default 30,000. */
  readonly idleMs?: number;
  /** Attempts after the first, where the server is busy, failed or not reached; default 2. */
  readonly retries?: number;
  /** Most milliseconds to wait before another attempt; a server that asks for more is given up. Default 30,000. */
  readonly maxWaitMs?: number;
  /** Sends requests; default the global `fetch`. */
  readonly fetch?: typeof fetch;
}

export interface Connection extends Required<Omit<OpenAiOptions, 'apiKey'>> {
  readonly baseUrl: string;
}

/** @throws InvalidArgumentError */
export function connectionOf(options: OpenAiOptions): Connection {
  const { baseUrl, model, apiKey, headers = {}, server = { kind: 'hosted' } } = options;
  const { timeoutMs = 60_000, idleMs = 30_000, retries = 2, maxWaitMs = 30_000 } = options;
  if (!/^https?:\/\//.test(String(baseUrl)) || !URL.canParse(baseUrl)) {
    throw new InvalidArgumentError(
      `baseUrl must be an address such as http://127.0.0.1:8000/v1, not ${JSON.stringify(baseUrl)}.`,
    );
  }
  if (typeof model !== 'string' || model === '') {
    throw new InvalidArgumentError('Name the model that the server is asked for.');
  }
  for (const [name, value] of Object.entries({ timeoutMs, idleMs, maxWaitMs })) {
    // Timers take no more.
    if (!(value > 0 && value < 2 ** 31)) {
      throw new InvalidArgumentError(`${name} must be from 1 to ${2 ** 31 - 1}, not ${value}.`);
    }
  }
  if (!Number.isInteger(retries) || retries < 0) {
    throw new InvalidArgumentError(`retries must be a whole number of at least 0, not ${retries}.`);
  }
  return {
    baseUrl: baseUrl.replace(/\/+$/, ''),
    model,
    server,
    timeoutMs,
    idleMs,
    retries,
    maxWaitMs,
    headers: { ...headers, ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }) },
    fetch: options.fetch ?? fetch,
  };
}
