import { setTimeout as sleep } from 'node:timers/promises';
import { RemoteError } from '../../lib/errors.js';
import { linkSignals } from '../../lib/weave/link-signals.js';
import type { Connection } from './options.js';

/** A response that is being read. */
export interface OpenResponse {
  readonly status: number;
  /** Bytes as they come; fails when the server pauses for too long. */
  readonly body: AsyncGenerator<Uint8Array, void, undefined>;
  /** Must be called when the response was read, or is not wanted any more: gives the connection back. */
  close(): void;
}

/** Characters of a server's complaint that an error repeats. */
const shownUnits = 300;
/** Most bytes of a complaint that are read. */
const mostComplaintBytes = 16_384;

/**
 * Posts JSON, again where the server is busy (429), failed (408, 5xx) or was not reached.
 * @throws RemoteError, or the signal's reason.
 */
export async function send(
  connection: Connection,
  path: string,
  body: object,
  signal: AbortSignal | undefined,
): Promise<OpenResponse> {
  const text = JSON.stringify(body);
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await sendOnce(connection, path, text, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof RemoteError) || !error.mayPass || attempt >= connection.retries)
        throw error;
      const wait = error.retryAfterMs ?? backoffMs(attempt);
      if (wait > connection.maxWaitMs) throw error;
      await sleep(wait, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    }
  }
}

/** Not all at the same moment, when many were refused at once. */
function backoffMs(attempt: number): number {
  return 250 * 2 ** attempt * (0.5 + 0.5 * Math.random());
}

async function sendOnce(
  connection: Connection,
  path: string,
  text: string,
  signal: AbortSignal | undefined,
): Promise<OpenResponse> {
  const url = `${connection.baseUrl}${path}`;
  const end = new AbortController();
  const linked = linkSignals([signal, end.signal]);
  const late = (what: string, ms: number) =>
    new RemoteError({ reason: 'late', message: `${url} ${what} for ${ms} ms.` });
  let timer = setTimeout(
    () => end.abort(late('gave no answer', connection.timeoutMs)),
    connection.timeoutMs,
  );
  const close = (): void => {
    clearTimeout(timer);
    end.abort();
    linked.unlink();
  };
  try {
    const response = await connection.fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...connection.headers },
      body: text,
      signal: linked.signal,
    });
    const reader = response.body?.getReader();
    async function* read(): AsyncGenerator<Uint8Array, void, undefined> {
      for (;;) {
        clearTimeout(timer);
        timer = setTimeout(() => end.abort(late('paused', connection.idleMs)), connection.idleMs);
        let piece: { done: boolean; value?: Uint8Array | undefined } | undefined;
        try {
          piece = await reader?.read();
        } catch (cause) {
          throw failureOf(url, cause, linked.signal, 'truncated');
        } finally {
          clearTimeout(timer);
        }
        if (!piece?.value) return;
        yield piece.value;
      }
    }
    const open = { status: response.status, body: read(), close };
    if (response.ok) return open;
    throw await refusalOf(url, response, open.body);
  } catch (cause) {
    const failure =
      cause instanceof RemoteError ? cause : failureOf(url, cause, linked.signal, 'unreachable');
    close();
    throw failure;
  }
}

/** What a failed read means: an abort's own reason, or that the connection is gone. */
function failureOf(
  url: string,
  cause: unknown,
  signal: AbortSignal,
  reason: 'unreachable' | 'truncated',
): unknown {
  if (signal.aborted) return signal.reason;
  const problem = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const what = reason === 'unreachable' ? 'cannot be reached' : 'broke off its answer';
  return new RemoteError({ reason, message: `${url} ${what}: ${String(problem)}`, cause });
}

async function refusalOf(
  url: string,
  { status, headers }: Response,
  body: AsyncIterable<Uint8Array>,
): Promise<RemoteError> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const piece of body) {
      text += decoder.decode(piece, { stream: true });
      if (text.length > mostComplaintBytes) break;
    }
  } catch {
    // The status says enough.
  }
  const reason = status === 429 ? 'busy' : status === 408 || status >= 500 ? 'failed' : 'refused';
  const retryAfterMs = waitOf(headers.get('retry-after'));
  return new RemoteError({
    reason,
    status,
    message: `${url} answered with the status ${status}: ${text.trim().slice(0, shownUnits) || 'no text'}`,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** Milliseconds of a `retry-after` header: seconds, or a date (RFC 9110, 10.2.3). */
function waitOf(header: string | null): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  const ms = /^\s*\d+(?:\.\d+)?\s*$/.test(header)
    ? Number(header) * 1000
    : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
