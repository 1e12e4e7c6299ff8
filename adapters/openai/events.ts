import { createParser } from 'eventsource-parser';
import { RemoteError } from '../../lib/errors.js';

/** Most characters of one event: a server that never ends a line must not fill the memory. */
const mostUnits = 1 << 24;

/**
 * The JSON objects of a stream of server-sent events, up to `[DONE]`.
 * @throws RemoteError for an event that is no JSON object, is too long, or reports a failure; and when the stream ends without
 * `[DONE]`, unless `isWhole` says that nothing is missing.
 */
export async function* readEvents(
  body: AsyncIterable<Uint8Array>,
  isWhole: () => boolean,
): AsyncGenerator<Readonly<Record<string, unknown>>, void, undefined> {
  const decoder = new TextDecoder();
  const ready: string[] = [];
  let units = 0;
  let strange: string | undefined;
  const parser = createParser({
    onError: (error) => {
      if (error.type === 'unknown-field') strange ??= error.line ?? error.message;
    },
    onEvent: ({ data }) => {
      units = 0;
      ready.push(data);
    },
  });
  for await (const piece of body) {
    units += piece.length;
    if (units > mostUnits) throw malformed('an event that does not end');
    parser.feed(decoder.decode(piece, { stream: true }));
    for (let data = ready.shift(); data !== undefined; data = ready.shift()) {
      if (data.trim() === '[DONE]') return;
      yield objectOf(data);
    }
    if (strange !== undefined) throw malformed(JSON.stringify(strange.slice(0, 120)));
  }
  if (!isWhole()) {
    const message = 'The server ended its stream before the answer was complete. Ask again.';
    throw new RemoteError({ reason: 'truncated', message });
  }
}

/** @throws RemoteError */
export function objectOf(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed(JSON.stringify(text.slice(0, 120)));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(JSON.stringify(text.slice(0, 120)));
  }
  const { error } = value as { error?: unknown };
  if (error !== undefined && error !== null) {
    const { message = JSON.stringify(error) } = error as { message?: unknown };
    throw new RemoteError({
      reason: 'failed',
      message: `The server failed while answering: ${String(message)}`,
    });
  }
  return value as Record<string, unknown>;
}

function malformed(what: string): RemoteError {
  const message = `The server sent what is no answer of an OpenAI-compatible API: ${what}. Check baseUrl and what runs there.`;
  return new RemoteError({ reason: 'malformed', message });
}
