import { InvalidArgumentError, RemoteError } from '../../lib/errors.js';
import { readUsage, type RemoteUsage } from '../../lib/remote/cached-usage.js';
import type { RemoteMessage } from '../../lib/remote/layout-prompt.js';
import { cacheFields } from '../../lib/remote/remote-server.js';
import { objectOf, readEvents } from './events.js';
import type { Connection } from './options.js';
import { send } from './send.js';

/** Chat messages, or a prompt as token ids for servers that take them (`/completions`). */
export type RemotePrompt =
  | { readonly form: 'messages'; readonly messages: readonly RemoteMessage[] }
  | { readonly form: 'tokens'; readonly tokens: Int32Array };

export interface CompletionOptions {
  /** Default 256. */
  readonly maxTokens?: number;
  /** Default 0. */
  readonly temperature?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  /** GBNF; only servers that run llama.cpp or vLLM take one. */
  readonly grammar?: string;
  /** Alternatives of the first token; default 0. Only with messages. */
  readonly topLogprobs?: number;
  readonly signal?: AbortSignal;
}

export interface Completion {
  readonly text: string;
  readonly finishReason: 'stop' | 'length';
  /** Absent where the server counts nothing. */
  readonly usage?: RemoteUsage;
  /** The first token's alternatives, most likely first; natural logarithms. */
  readonly firstToken?: readonly { readonly text: string; readonly logprob: number }[];
}

/** Most characters of an answer in one piece. */
const mostUnits = 1 << 26;

/** What has come of an answer. */
interface Received {
  finish: string | undefined;
  usage: RemoteUsage | undefined;
  firstToken: Completion['firstToken'];
}

/**
 * Asks for a completion and gives its text piece by piece; leaving early ends the request.
 * @throws InvalidArgumentError, RemoteError, or the signal's reason.
 */
export async function* streamCompletion(
  connection: Connection,
  prompt: RemotePrompt,
  options: CompletionOptions = {},
): AsyncGenerator<string, Completion, undefined> {
  const path = prompt.form === 'tokens' ? '/completions' : '/chat/completions';
  const body = {
    ...bodyOf(connection, prompt, options),
    stream: true,
    stream_options: { include_usage: true },
  };
  const response = await send(connection, path, body, options.signal);
  const received: Received = { finish: undefined, usage: undefined, firstToken: undefined };
  let text = '';
  try {
    for await (const event of readEvents(response.body, () => received.finish !== undefined)) {
      const piece = take(event, received);
      text += piece;
      if (piece !== '') yield piece;
    }
    if (received.finish === undefined) {
      const message = 'The server ended its answer without a reason. Ask again.';
      throw new RemoteError({ reason: 'truncated', message });
    }
    return completionOf(text, received);
  } finally {
    response.close();
  }
}

/** Asks for a completion in one piece. @throws InvalidArgumentError, RemoteError, or the signal's reason. */
export async function complete(
  connection: Connection,
  prompt: RemotePrompt,
  options: CompletionOptions = {},
): Promise<Completion> {
  const path = prompt.form === 'tokens' ? '/completions' : '/chat/completions';
  const response = await send(
    connection,
    path,
    bodyOf(connection, prompt, options),
    options.signal,
  );
  try {
    const decoder = new TextDecoder();
    let json = '';
    for await (const piece of response.body) {
      json += decoder.decode(piece, { stream: true });
      if (json.length > mostUnits) {
        const message = `The server's answer has more than ${mostUnits} characters. Check baseUrl and what runs there.`;
        throw new RemoteError({ reason: 'malformed', message });
      }
    }
    const received: Received = { finish: undefined, usage: undefined, firstToken: undefined };
    const body = objectOf(json);
    const text = take(body, received);
    if (!Array.isArray(body['choices']) || body['choices'].length === 0) {
      const message = 'The server answered without any choice. Check baseUrl and what runs there.';
      throw new RemoteError({ reason: 'malformed', message });
    }
    return completionOf(text, received);
  } finally {
    response.close();
  }
}

function completionOf(text: string, { finish, usage, firstToken }: Received): Completion {
  return {
    text,
    finishReason: finish === 'length' ? 'length' : 'stop',
    ...(usage && { usage }),
    ...(firstToken && { firstToken }),
  };
}

function bodyOf(
  { model, server }: Connection,
  prompt: RemotePrompt,
  options: CompletionOptions,
): Record<string, unknown> {
  const { maxTokens = 256, temperature = 0, seed, stop, grammar, topLogprobs = 0 } = options;
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new InvalidArgumentError(`maxTokens must be at least 1, not ${maxTokens}.`);
  }
  if (prompt.form === 'tokens' && server.kind === 'hosted') {
    throw new InvalidArgumentError(
      'A hosted API takes no prompts as token ids. Use layoutMessages, or name the server.',
    );
  }
  return {
    model,
    ...(prompt.form === 'tokens'
      ? { prompt: Array.from(prompt.tokens) }
      : { messages: prompt.messages }),
    max_tokens: maxTokens,
    temperature,
    ...(seed !== undefined && { seed }),
    ...(stop && stop.length > 0 && { stop }),
    ...(topLogprobs > 0 &&
      prompt.form === 'messages' && { logprobs: true, top_logprobs: topLogprobs }),
    ...(grammar !== undefined && grammarFields(server.kind, grammar)),
    ...cacheFields(server),
  };
}

/** True of servers that hold answers to a GBNF grammar. */
export function takesGrammar({ server }: Connection): boolean {
  return server.kind === 'llama.cpp' || server.kind === 'vllm' || server.kind === 'lmcache-blend';
}

function grammarFields(kind: string, grammar: string): object {
  if (kind === 'llama.cpp') return { grammar };
  if (kind === 'vllm' || kind === 'lmcache-blend') return { structured_outputs: { grammar } };
  throw new InvalidArgumentError('This server takes no grammars. Leave the grammar out.');
}

/** The text that an event or a whole body brings; keeps the rest. */
function take(event: Readonly<Record<string, unknown>>, received: Received): string {
  received.usage = readUsage(event) ?? received.usage;
  const choice = (event['choices'] as readonly Record<string, unknown>[] | undefined)?.[0];
  if (!choice) return '';
  if (typeof choice['finish_reason'] === 'string') received.finish = choice['finish_reason'];
  received.firstToken ??= alternativesOf(choice['logprobs']);
  const message = (choice['delta'] ?? choice['message']) as Record<string, unknown> | undefined;
  const text = message?.['content'] ?? choice['text'];
  return typeof text === 'string' ? text : '';
}

function alternativesOf(logprobs: unknown): Completion['firstToken'] {
  const content = (logprobs as { content?: unknown } | null | undefined)?.content;
  const top = Array.isArray(content)
    ? (content[0] as { top_logprobs?: readonly { token: string; logprob: number }[] } | undefined)
        ?.top_logprobs
    : undefined;
  return top?.map(({ token, logprob }) => ({ text: token, logprob }));
}
