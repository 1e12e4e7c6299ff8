import type { Chunk } from './document.js';
import type { Span } from './engine/span.js';
import type { KvEngine } from './engine/engine.js';
import { ContextOverflowError, InvalidArgumentError } from './errors.js';

/**
 * What a prompt is made of besides passages. A woven prompt is
 *
 *     head of the chat frame, instructions   the canonical prefix: the same for every question
 *     passage, separator                     for each passage; together they are what is encoded and kept
 *     question, tail of the chat frame
 *
 * Every piece is tokenised on its own and the ids are put one after another; passages bring the ids that
 * they got in their document.
 */
export interface PromptOptions {
  /** System message; default a sentence that asks to answer from the passages. `''` for none. */
  readonly system?: string;
  /** Text between the opening of the user's turn and the first passage. */
  readonly instructions?: string;
  /** Text after each passage; default a blank line. */
  readonly separator?: string;
  /** The text around the question; default: `Using the passages above, answer in one or two sentences: …`. */
  readonly question?: (question: string) => string;
  /** The same where the question stands before passages ({@link PassageLayout}); default: `Question: …`. */
  readonly earlier?: (question: string) => string;
}

/** A prompt's constant pieces as token ids. */
export interface PromptLayout {
  /** The canonical prefix: stands before every passage, in prompts and when passages are encoded. */
  readonly prefix: Int32Array;
  /** A passage's ids as they stand in prompts: those of the chunk, then the separator. */
  passage(chunk: Pick<Chunk, 'tokens'>): Int32Array;
  /** The question and the end of the frame. */
  question(question: string, options?: { readonly signal?: AbortSignal }): Promise<Int32Array>;
  /**
   * What stands between an answer and what follows it in a conversation: the question, or passages, which the
   * instructions lead as they lead those of the first turn.
   * @throws ChatTemplateError when the chat template takes no earlier turns.
   */
  between(next: 'question' | 'passages'): Promise<Int32Array>;
  /** The question and a separator, where it stands before passages. */
  earlier(question: string, options?: { readonly signal?: AbortSignal }): Promise<Int32Array>;
}

const defaultSystem =
  'You answer questions from the passages that the user gives, briefly and only from them.';

/** Small models keep to what stands last: without the reminder they go on in the passages' style. */
const defaultQuestion = (question: string) =>
  `Using the passages above, answer in one or two sentences: ${question}`;

const defaultEarlier = (question: string) => `Question: ${question}`;

export async function createPromptLayout(
  engine: Pick<KvEngine, 'chat' | 'tokenizer'>,
  options: PromptOptions = {},
): Promise<PromptLayout> {
  const { tokenizer } = engine;
  const { system = defaultSystem, instructions = 'Passages:\n\n', separator = '\n\n' } = options;
  const { question: frameQuestion = defaultQuestion, earlier = defaultEarlier } = options;
  const ids = async (text: string, { signal }: { readonly signal?: AbortSignal } = {}) =>
    text === '' ? new Int32Array(0) : (await tokenizer.encode(text, signal ? { signal } : {})).ids;
  const frame = await engine.chat.frame(system === '' ? {} : { system });
  const lead = await ids(instructions);
  const prefix = concat([frame.head, lead]);
  const gap = await ids(separator);
  return {
    prefix,
    passage: (chunk) => concat([chunk.tokens, gap]),
    question: async (question, asked) =>
      concat([await ids(frameQuestion(question), asked), frame.tail]),
    between: async (next) => {
      const border = await engine.chat.between();
      return next === 'passages' ? concat([border, lead]) : border;
    },
    earlier: async (question, asked) => concat([await ids(earlier(question), asked), gap]),
  };
}

/**
 * How passages and question stand in a prompt.
 *
 * - `sequence`: the passages one after another, then the question.
 * - `set` (Set-Based Prompting): all passages begin at the same position, right after the prefix, and none sees another;
 *   the question stands after the longest. Their order means nothing, and KV made right after the prefix is exact.
 * - `twice` (Just Read Twice): passages and question, then all of that again.
 * - `around`: the question before the passages and after them.
 */
export type PassageLayout = 'sequence' | 'set' | 'twice' | 'around';

const passageLayouts: readonly PassageLayout[] = ['sequence', 'set', 'twice', 'around'];

/** @throws InvalidArgumentError for what is no layout. */
export function assertLayout(layout: PassageLayout): void {
  if (passageLayouts.includes(layout)) return;
  throw new InvalidArgumentError(
    `layout is ${String(layout)}; give one of ${passageLayouts.join(', ')}.`,
  );
}

/** All pieces of a prompt put together. */
export interface PromptTokens {
  readonly layout: PassageLayout;
  readonly tokens: Int32Array;
  /** Of each token. Its own number, but in the layout `set`. */
  readonly positions: Int32Array;
  readonly prefix: Span;
  /** In prompt order; each holds the passage and its separator. */
  readonly passages: readonly Span[];
  /** The passages once more, in the layout `twice`. */
  readonly again: readonly Span[];
  /** The question where it stands before passages, in the layouts `twice` and `around`. */
  readonly earlier?: Span;
  /** The question that is answered: the end of the prompt. */
  readonly question: Span;
}

export interface PromptPieces {
  readonly prefix: Int32Array;
  readonly passages: readonly Int32Array[];
  /** As {@link PromptLayout.earlier} gives it; for the layouts that have it. */
  readonly earlier?: Int32Array | undefined;
  readonly question: Int32Array;
}

export function joinPrompt(
  { prefix, passages, earlier = new Int32Array(0), question }: PromptPieces,
  layout: PassageLayout = 'sequence',
): PromptTokens {
  const runs: Int32Array[] = [];
  const positions: number[] = [];
  let length = 0;
  let reached = 0;
  const put = (run: Int32Array, position = reached): Span => {
    const start = length;
    length += run.length;
    for (let i = 0; i < run.length; i++) positions.push(position + i);
    reached = Math.max(reached, position + run.length);
    runs.push(run);
    return { start, end: length };
  };
  const putAll = (): Span[] =>
    passages.map((run) => put(run, layout === 'set' ? prefix.length : undefined));
  const repeats = layout === 'twice' && passages.length > 0;

  const prefixSpan = put(prefix);
  const before = layout === 'around' ? put(earlier) : undefined;
  const spans = putAll();
  const between = repeats ? put(earlier) : undefined;
  const again = repeats ? putAll() : [];
  const asked = put(question);
  const span = before ?? between;
  return {
    layout,
    tokens: concat(runs),
    positions: Int32Array.from(positions),
    prefix: prefixSpan,
    passages: spans,
    again,
    ...(span && { earlier: span }),
    question: asked,
  };
}

export interface FitOptions {
  /** Tokens of each passage, best first. */
  readonly passages: readonly number[];
  /** Tokens of the prefix and the question together. */
  readonly fixed: number;
  /** Tokens that the answer may take. */
  readonly answer: number;
  /** Tokens that fit in all. */
  readonly available: number;
  /** `drop` leaves out the least-ranked passages until the rest fits; `throw` refuses. */
  readonly overflow: 'drop' | 'throw';
}

export interface Fit {
  /** How many of the best passages stay; at least one where there are any. */
  readonly kept: number;
  /** Tokens that the answer may take: fewer than asked where the best passage leaves no more. */
  readonly answer: number;
}

/**
 * How much of a prompt fits, with room for the answer.
 * @throws ContextOverflowError when not even the question and the best passage fit, or something would have
 * to be dropped and `overflow` is `throw`.
 */
export function fitPrompt(options: FitOptions): Fit {
  const { passages, fixed, answer, available, overflow } = options;
  const least = fixed + (passages[0] ?? 0) + 1;
  if (least > available) {
    throw new ContextOverflowError(
      least,
      available,
      'Shorten the question or the passages, or give the weave more cells if the model has more context.',
    );
  }
  let total = fixed;
  for (const tokens of passages) total += tokens;
  if (total + answer > available && overflow === 'throw') {
    throw new ContextOverflowError(
      total + answer,
      available,
      'Retrieve fewer passages, ask for a shorter answer, or give the weave more cells.',
    );
  }
  let kept = passages.length;
  while (kept > 1 && total + answer > available) total -= passages[--kept] as number;
  return { kept, answer: Math.min(answer, available - total) };
}

/** @throws InvalidArgumentError for a question without any text. */
export function assertQuestion(question: string): void {
  if (typeof question === 'string' && question.trim() !== '') return;
  throw new InvalidArgumentError('The question is empty. Ask something.');
}

function concat(pieces: readonly Int32Array[]): Int32Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const all = new Int32Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
