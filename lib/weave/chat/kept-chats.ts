import type { Weave } from '../../weave.js';
import type { Chat, ChatOptions } from './options.js';
import type { ChatExchange } from './exchange.js';

/** A chat that one caller has for one turn. */
export interface ChatLease {
  readonly chat: Chat;
  /** Whether the earlier turns stood in it already. */
  readonly found: boolean;
  /** Keeps the chat for whoever goes on from its turns. */
  release(): Promise<void>;
}

/**
 * Chats for callers who send all earlier turns with each question, as chat APIs do: a conversation that begins as one that
 * was answered here goes on in its chat, any other in a new one. Those used last are kept.
 */
export class KeptChats {
  readonly #weave: Weave;
  readonly #most: number;
  /** The one used last comes last. */
  #kept: Chat[] = [];

  /** @param most chats that are kept between turns; 0 keeps none. */
  constructor(weave: Weave, most: number) {
    this.#weave = weave;
    this.#most = most;
  }

  /** @throws what {@link Weave.chat} throws. */
  lease(history: readonly ChatExchange[], options: ChatOptions = {}): ChatLease {
    const at = this.#kept.findLastIndex(
      ({ turns }) => history.length > 0 && areSame(turns, history),
    );
    const [known] = at < 0 ? [] : this.#kept.splice(at, 1);
    const chat = known ?? this.#weave.chat({ ...options, history });
    return { chat, found: known !== undefined, release: () => this.#keep(chat) };
  }

  async #keep(chat: Chat): Promise<void> {
    if (chat.turns.length > 0) this.#kept.push(chat);
    const gone = this.#kept.splice(0, Math.max(0, this.#kept.length - this.#most));
    if (chat.turns.length === 0) gone.push(chat);
    await Promise.all(gone.map((each) => each.dispose()));
  }
}

/** White space around texts is lost on many ways. */
function areSame(turns: readonly ChatExchange[], history: readonly ChatExchange[]): boolean {
  return (
    turns.length === history.length &&
    turns.every(({ question, answer }, i) => {
      const other = history[i] as ChatExchange;
      return question.trim() === other.question.trim() && answer.trim() === other.answer.trim();
    })
  );
}

/** Turns of alternating roles as exchanges; undefined where they are none. */
export function exchangesOf(
  turns: readonly { readonly role: 'user' | 'assistant'; readonly content: string }[],
): ChatExchange[] | undefined {
  const exchanges: ChatExchange[] = [];
  for (let i = 0; i < turns.length; i += 2) {
    const [asked, said] = [turns[i], turns[i + 1]];
    if (asked?.role !== 'user' || said?.role !== 'assistant') return undefined;
    if (asked.content.trim() === '') return undefined;
    exchanges.push({ question: asked.content, answer: said.content });
  }
  return exchanges;
}
