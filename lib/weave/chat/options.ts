import type { ChatExchange } from './exchange.js';
import type { Answer, AnswerStream, Source } from '../answer.js';
import type { AskDefaults, AskOptions } from '../options.js';
import type { FollowUpQuery } from './follow-up.js';

/** A turn of a chat. */
export interface ChatTurnRecord extends ChatExchange {
  /** What was searched for. */
  readonly query: string;
  /** Ids of the passages that came into the conversation with it. */
  readonly chunkIds: readonly string[];
}

export interface ChatOptions extends Omit<AskDefaults, 'layout'> {
  /** Chats know the layout `sequence` only; say so here where the weave's own is another. */
  readonly layout?: 'sequence';
  /** Turns that were said before, oldest first. They come without passages. Default none. */
  readonly history?: readonly ChatExchange[];
  /** What is searched for with a question that follows others; default {@link lastQuestions}: the last two are searched for as well. */
  readonly followUp?: FollowUpQuery;
  /**
   * When the conversation, the new passages, the question and its longest answer do not fit into the window, which is the
   * model's context or the weave's cells: `forget` (default) leaves out the oldest turns with the passages that came with
   * them, and weaves the turns that stay anew; `throw` fails with {@link ContextOverflowError}.
   */
  readonly whenFull?: 'forget' | 'throw';
  /**
   * Share of the window, from 0 to 1, that the conversation has at most after turns were forgotten, so that the next ones
   * need not forget again; default 0.5.
   */
  readonly keep?: number;
}

export type ChatAskOptions = Omit<AskOptions, 'layout'>;

/** A passage that stands in the conversation. Its `number` is that in the whole conversation. */
export interface ChatSource extends Source {
  /** The turn, from 1, that brought it: an earlier one where it stood there already. */
  readonly turn: number;
}

export interface ChatAnswer extends Answer {
  /** Number of this turn, from 1; forgotten turns are counted. */
  readonly turn: number;
  /** What was searched for. */
  readonly query: string;
  /** What was found for this question: passages that are in the conversation since earlier turns, and those that are new. */
  readonly sources: readonly ChatSource[];
  /** Turns that were left out now, since the window was full. */
  readonly forgotten: number;
  /** Tokens of the whole conversation with this answer. */
  readonly conversationTokens: number;
}

/**
 * A conversation over the documents of a weave. Its keys and values stay in the weave's cells from turn to turn, so a
 * follow-up computes only what is new: passages that are not in it yet are woven in, those that are stay where they are.
 *
 * Turns run one after another, in the order of the calls. One that fails or is aborted leaves the chat as it was before
 * it. Between turns other questions may take its cells; the next turn then weaves the conversation anew and says so.
 */
export interface Chat extends AsyncDisposable {
  /** Whole turns that are in the conversation, oldest first. */
  readonly turns: readonly ChatTurnRecord[];
  /**
   * Answers a question in the light of the conversation.
   * @throws as {@link Weave.ask}, and what the chat's `followUp` throws.
   */
  ask(question: string, options?: ChatAskOptions): Promise<ChatAnswer>;
  /** Like {@link ask}, with the text as it comes. */
  stream(question: string, options?: ChatAskOptions): AnswerStream<ChatAnswer>;
  /** Token ids of the conversation, up to the end of the last answer. */
  tokens(): Promise<Int32Array>;
  /**
   * A chat that goes on from here by itself, from the last whole turn. Its cells count as if they were its own; while
   * there are not so many free, it weaves the conversation anew at its first turn.
   */
  fork(): Chat;
  /** Aborts the turns that run and gives the cells back. The weave stays. */
  dispose(): Promise<void>;
}
