import { DisposedError, InvalidArgumentError } from '../../errors.js';
import { assertQuestion } from '../../prompt.js';
import { abortable } from '../abortable.js';
import type { AnswerEvent, AnswerStream } from '../answer.js';
import { startAnswerStream } from '../answer-stream.js';
import type { WeaveKit } from '../kit.js';
import type { AskOptions } from '../options.js';
import type { Shadow } from '../shadow/shadow.js';
import { type Borders, bordersOf, tokensOf, type Turn } from './conversation.js';
import { lastQuestions } from './follow-up.js';
import type { Chat, ChatAnswer, ChatAskOptions, ChatOptions, ChatTurnRecord } from './options.js';
import type { ChatExchange } from './exchange.js';
import { runTurn } from './run-turn.js';
import { Standing } from './standing.js';

/** What a chat needs of its weave. */
export interface ChatHost {
  readonly kit: WeaveKit;
  readonly shadow: Shadow | undefined;
  /** Runs work until it ends, a signal aborts it or the weave is disposed. */
  work<T>(
    signals: readonly (AbortSignal | undefined)[],
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T>;
  /** The chat holds nothing any more. */
  left(chat: EngineChat): void;
  /** A chat beside this one. */
  joined(chat: EngineChat): void;
}

/** What a fork begins with. */
interface Begin {
  readonly turns: readonly Turn[];
  readonly standing: Standing | undefined;
  readonly number: number;
}

const noBorders: Borders = { question: new Int32Array(0), passages: new Int32Array(0) };

/** @throws InvalidArgumentError */
export function assertChatOptions({ layout, keep = 0.5, whenFull, history }: ChatOptions): void {
  if (layout !== undefined && layout !== 'sequence') {
    throw new InvalidArgumentError(
      `A chat's layout is 'sequence', not '${String(layout)}'. Give chat({ layout: 'sequence' }) where the weave's own is another.`,
    );
  }
  if (!(keep >= 0 && keep <= 1)) {
    throw new InvalidArgumentError(`keep is ${keep}; give a share from 0 to 1.`);
  }
  if (whenFull !== undefined && whenFull !== 'forget' && whenFull !== 'throw') {
    throw new InvalidArgumentError(`whenFull is ${String(whenFull)}; give 'forget' or 'throw'.`);
  }
  for (const { question, answer } of history ?? []) {
    assertQuestion(question);
    if (typeof answer === 'string') continue;
    throw new InvalidArgumentError(
      'A turn of the history has no answer. Give { question, answer }.',
    );
  }
}

/** A {@link Chat} in the cells of a weave. */
export class EngineChat implements Chat {
  readonly #host: ChatHost;
  /** The weave's options and the chat's own, merged. */
  readonly #options: ChatOptions;
  readonly #lifetime = new AbortController();
  #history: readonly ChatExchange[];
  #turns: readonly Turn[];
  #standing: Standing | undefined;
  /** Turns so far, those forgotten included. */
  #number: number;
  #borders: Promise<Borders> | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #disposing: Promise<void> | undefined;

  constructor(host: ChatHost, options: ChatOptions, begin?: Begin) {
    this.#host = host;
    this.#options = options;
    this.#history = options.history ?? [];
    this.#turns = begin?.turns ?? [];
    this.#standing = begin?.standing;
    this.#number = begin?.number ?? 0;
  }

  get turns(): readonly ChatTurnRecord[] {
    const history = this.#history.map(({ question, answer }) => ({
      question,
      answer,
      query: question,
      chunkIds: [],
    }));
    const turns = this.#turns.map(({ question, answer, query, passages }) => ({
      question,
      answer,
      query,
      chunkIds: passages.map(({ hit }) => hit.chunk.id),
    }));
    return [...history, ...turns];
  }

  ask(question: string, options: ChatAskOptions = {}): Promise<ChatAnswer> {
    return this.#take(question, options, [], () => {});
  }

  stream(question: string, options: ChatAskOptions = {}): AnswerStream<ChatAnswer> {
    return startAnswerStream((emit, left) => this.#take(question, options, [left], emit));
  }

  tokens(): Promise<Int32Array> {
    return this.#host.work([this.#lifetime.signal], async (signal) => {
      const borders = await this.#prepared(this.turns.length - 1, signal);
      return tokensOf(this.#host.kit.layout.prefix, this.#turns, borders);
    });
  }

  fork(): Chat {
    if (this.#disposing) throw new DisposedError('chat');
    const { cells } = this.#host.kit;
    const own = this.#standing;
    const lease = own && !own.gone ? cells.acquireFree(own.count) : undefined;
    const standing = own && lease && new Standing(cells, own.sequence.fork(), [lease], own.count);
    const begin = { turns: this.#turns, standing, number: this.#number };
    const fork = new EngineChat(this.#host, { ...this.#options, history: this.#history }, begin);
    this.#host.joined(fork);
    return fork;
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#shutDown();
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #shutDown(): Promise<void> {
    this.#lifetime.abort(new DisposedError('chat'));
    await this.#queue;
    this.#standing?.release();
    this.#standing = undefined;
    this.#host.left(this);
  }

  /** Runs a turn when those before it are over. */
  async #take(
    question: string,
    options: ChatAskOptions,
    signals: readonly AbortSignal[],
    emit: (event: AnswerEvent) => void,
  ): Promise<ChatAnswer> {
    if (this.#disposing) throw new DisposedError('chat');
    const all = [this.#lifetime.signal, ...signals, options.signal];
    return this.#host.work(all, async (signal) => {
      const before = this.#queue;
      const turn = abortable(before, signal).then(() => this.#run(question, options, signal, emit));
      this.#queue = Promise.allSettled([before, turn]);
      return turn;
    });
  }

  async #run(
    question: string,
    options: ChatAskOptions,
    signal: AbortSignal,
    emit: (event: AnswerEvent) => void,
  ): Promise<ChatAnswer> {
    assertQuestion(question);
    const borders = await this.#prepared(this.turns.length, signal);
    const { kit, shadow } = this.#host;
    const { followUp = lastQuestions(), keep = 0.5, whenFull = 'forget' } = this.#options;
    // Who says how to answer is obeyed.
    const note = options.reuse === undefined ? shadow?.note : undefined;
    const merged: AskOptions = {
      ...this.#options,
      ...options,
      layout: 'sequence',
      ...(note !== undefined && { reuse: 'full' as const }),
    };
    const { answer, turns, standing } = await runTurn({
      kit,
      options: merged,
      signal,
      emit,
      question,
      number: this.#number + 1,
      turns: this.#turns,
      standing: this.#standing?.gone ? undefined : this.#standing,
      borders,
      followUp,
      keep,
      whenFull,
      shadow,
      notes: note === undefined ? [] : [note],
    });
    if (turns) {
      this.#turns = turns;
      this.#standing = standing;
      this.#number++;
    }
    emit({ type: 'answer', answer });
    return answer;
  }

  /**
   * Tokenises what was said before the chat began.
   *
   * @param count borders that are needed: a conversation of one turn has none, whatever the template takes.
   */
  async #prepared(count: number, signal: AbortSignal): Promise<Borders> {
    const { layout, engine } = this.#host.kit;
    if (count > 0) {
      this.#borders ??= bordersOf(layout).catch((error: unknown) => {
        this.#borders = undefined;
        throw error;
      });
    }
    const borders = (await this.#borders) ?? noBorders;
    if (this.#history.length === 0) return borders;
    const turns: Turn[] = [];
    for (const [i, { question, answer }] of this.#history.entries()) {
      const asked = await layout.question(question, { signal });
      const { ids: said } = await engine.tokenizer.encode(answer, { signal });
      turns.push({ number: i + 1, question, query: question, passages: [], asked, answer, said });
    }
    if (this.#history.length > 0) {
      this.#turns = turns;
      this.#number = turns.length;
      this.#history = [];
    }
    return borders;
  }
}
