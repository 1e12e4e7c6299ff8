import type { ChatFormat } from '../engine/chat.js';
import type { Tokenizer } from '../engine/tokenizer.js';
import { InvalidArgumentError } from '../errors.js';
import type { PlacedPassage, PrefixHistory } from './prefix-history.js';
import type { RemoteServer } from './remote-server.js';

/** A passage under an id: equal ids are taken for equal texts. */
export interface RemotePassage {
  readonly id: string;
  readonly text: string;
}

export interface RemotePromptOptions {
  readonly server: RemoteServer;
  /** Best first. */
  readonly passages: readonly RemotePassage[];
  readonly question: string;
  /** Default none. */
  readonly system?: string;
  /** Text before the passages; default a line that says what they are. */
  readonly instructions?: string;
  /** What earlier prompts began with; default the passages stand in the order of their ids. */
  readonly history?: PrefixHistory;
}

/** A part of the user's message, as chat APIs take it. */
export interface MessagePart {
  readonly type: 'text';
  readonly text: string;
  readonly cache_control?: { readonly type: 'ephemeral' };
}

/** A chat message in the form of OpenAI's API. */
export interface RemoteMessage {
  readonly role: 'system' | 'user';
  readonly content: string | readonly MessagePart[];
}

interface Laid {
  /** Numbers of the given passages, in the order of the prompt. */
  readonly order: readonly number[];
  /** How many of the first passages are the beginning of an earlier prompt. */
  readonly shared: number;
}

/** A prompt as chat messages, for the server to tokenise. */
export interface MessagesPrompt extends Laid {
  readonly form: 'messages';
  readonly messages: readonly RemoteMessage[];
}

/** A prompt as token ids. */
export interface TokensPrompt extends Laid {
  readonly form: 'tokens';
  readonly tokens: Int32Array;
}

const defaultInstructions = 'Answer the question from these passages.';

/** Characters of a token, for lengths that are compared only. */
const unitsPerToken = 4;

/**
 * Lays a prompt out as chat messages so that what prompts have in common comes first, in the same bytes: system message,
 * instructions, passages in canonical order, and the question last.
 *
 * @throws InvalidArgumentError for an empty question, equal ids, or a server that needs token ids ({@link layoutTokens}).
 */
export function layoutMessages(options: RemotePromptOptions): MessagesPrompt {
  const { server, passages, question, system, instructions = defaultInstructions } = options;
  if (server.kind === 'lmcache-blend') {
    throw new InvalidArgumentError(
      'Blending needs prompts as token ids: text around a passage changes its tokens. Use layoutTokens.',
    );
  }
  const { order, shared } = orderOf(options);
  const texts = [`${instructions}\n\n`, ...order.map((i) => `${passages[i]?.text}\n\n`)];
  const asked = questionText(question);
  const head: RemoteMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  if (server.kind !== 'hosted' || server.breakpoints !== 'explicit') {
    return {
      form: 'messages',
      messages: [...head, { role: 'user', content: texts.join('') + asked }],
      order,
      shared,
    };
  }
  const marks = breakpointsOf(server, system ?? '', texts, shared);
  const parts: MessagePart[] = [];
  for (const [i, text] of texts.entries()) {
    parts.push({
      type: 'text',
      text,
      ...(marks.has(i) && { cache_control: { type: 'ephemeral' } }),
    });
  }
  parts.push({ type: 'text', text: asked });
  return { form: 'messages', messages: [...head, { role: 'user', content: parts }], order, shared };
}

/**
 * Lays a prompt out as token ids, each piece tokenised by itself, so that a passage has the same tokens in every prompt. For
 * blending the separator stands after the head and after each passage.
 *
 * @param engine tokenizer and chat format of the very model that the server runs
 * @throws InvalidArgumentError, what tokenizer or chat format throw, or the signal's reason.
 */
export async function layoutTokens(
  options: RemotePromptOptions,
  engine: { readonly tokenizer: Tokenizer; readonly chat: ChatFormat },
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<TokensPrompt> {
  const { server, passages, question, system, instructions = defaultInstructions } = options;
  const { order, shared } = orderOf(options);
  const ids = async (text: string) =>
    (await engine.tokenizer.encode(text, signal ? { signal } : {})).ids;
  const frame = await engine.chat.frame(system === undefined ? {} : { system });
  const separator = server.kind === 'lmcache-blend' ? (server.separator ?? ' # # ') : '\n\n';
  const gap = await ids(separator);
  const pieces = [frame.head, await ids(instructions), gap];
  for (const i of order) {
    const { id, text } = passages[i] as RemotePassage;
    if (server.kind === 'lmcache-blend' && text.includes(separator)) {
      throw new InvalidArgumentError(
        `The passage "${id}" holds the separator ${JSON.stringify(separator)}, which would cut it. Set another one here and on the server.`,
      );
    }
    pieces.push(await ids(text), gap);
  }
  pieces.push(await ids(questionText(question)), frame.tail);
  const tokens = new Int32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    tokens.set(piece, at);
    at += piece.length;
  }
  return { form: 'tokens', tokens, order, shared };
}

function orderOf({ server, passages, question, history }: RemotePromptOptions): Laid {
  if (typeof question !== 'string' || question.trim() === '') {
    throw new InvalidArgumentError('The question is empty. Ask something.');
  }
  const placed: PlacedPassage[] = passages.map(({ id, text }) => ({ id, length: text.length }));
  if (new Set(placed.map(({ id }) => id)).size < placed.length) {
    throw new InvalidArgumentError('Two passages have the same id. Give each passage once.');
  }
  // Blending finds a passage wherever it stands: the best one stands last, next to the question.
  if (server.kind === 'lmcache-blend')
    return { order: placed.map((_, i) => i).toReversed(), shared: 0 };
  if (history) return history.order(placed);
  const order = placed.map((_, i) => i);
  order.sort((a, b) => ((placed[a]?.id ?? '') < (placed[b]?.id ?? '') ? -1 : 1));
  return { order, shared: 0 };
}

/** Parts to mark: where an earlier prompt's beginning ends, the last passage, and the instructions, if long enough to be cached. */
function breakpointsOf(
  { minTokens = 1024, maxBreakpoints = 4 }: Extract<RemoteServer, { kind: 'hosted' }>,
  system: string,
  texts: readonly string[],
  shared: number,
): Set<number> {
  const marks = new Set<number>();
  for (const wanted of [texts.length - 1, shared, 0]) {
    const units = texts
      .slice(0, wanted + 1)
      .reduce((sum, text) => sum + text.length, system.length);
    if (marks.size < maxBreakpoints && units >= minTokens * unitsPerToken) marks.add(wanted);
  }
  return marks;
}

function questionText(question: string): string {
  return `Question: ${question}`;
}
