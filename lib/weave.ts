import type { Document } from './document.js';
import type { ModelInfo } from './engine/model-info.js';
import { DisposedError, StoreError } from './errors.js';
import type { PromptTokens } from './prompt.js';
import type { QuestionProbe } from './select/question-probe.js';
import type { SelectionPlan } from './select/selection-plan.js';
import type { StoreStats } from './store/store-stats.js';
import { runAsk } from './weave/ask.js';
import type { Answer, AnswerEvent, AnswerStream, Source } from './weave/answer.js';
import { startAnswerStream } from './weave/answer-stream.js';
import { assertChatOptions, EngineChat } from './weave/chat/chat.js';
import type { Chat, ChatOptions } from './weave/chat/options.js';
import type { Forgotten } from './weave/forgetter.js';
import { type Indexed, type IndexOptions, indexDocuments } from './weave/index-documents.js';
import type { WeaveKit } from './weave/kit.js';
import { likelyFirst } from './weave/likely-first.js';
import { linkSignals } from './weave/link-signals.js';
import { makeKit } from './weave/make-kit.js';
import type {
  AskDefaults,
  AskOptions,
  IngestOptions,
  IngestReport,
  WarmOptions,
  WarmReport,
  WeaveOptions,
} from './weave/options.js';
import {
  type PreparedPrompt,
  type PromptChoices,
  type PrepareOptions,
  preparePrompt,
  sourcesOf,
} from './weave/prepare.js';
import type { KnownDocument } from './weave/registry.js';
import type { PassTally } from './weave/single-pass/single-pass.js';
import { assertChecked, checkShadowOptions, type ShadowStats } from './weave/shadow/options.js';
import { Shadow } from './weave/shadow/shadow.js';
import { checkBudget, isAnyMissing, warmChunks } from './weave/warm.js';

/**
 * Answers questions over documents, weaving prompts from passages whose keys and values were computed once.
 *
 * Any number of calls may be made at once; asks share the cells and wait where they run short. After a
 * failed or aborted call the weave is usable as before. After {@link dispose} every call rejects with
 * {@link DisposedError}.
 */
export interface Weave extends AsyncDisposable {
  readonly model: ModelInfo;
  /**
   * Indexes documents and makes chunk KV within the budget, what questions are likely to need first. A
   * document with the id of an earlier one takes its place. Aborting keeps what was done.
   */
  ingest(
    documents: Iterable<Document> | AsyncIterable<Document>,
    options?: IngestOptions,
  ): Promise<IngestReport>;
  /** Makes chunk KV of documents that were ingested before, within the budget. */
  warm(options?: WarmOptions): Promise<WarmReport>;
  /**
   * Forgets documents, and deletes the KV of passages that no other document has, with whatever attended to
   * them when it was made. True where there was one.
   * @throws StoreError when a part of the store did not answer; the documents are removed all the same.
   */
  remove(documentIds: readonly string[]): Promise<boolean[]>;
  /**
   * Answers a question.
   * @throws InvalidArgumentError, ContextOverflowError, PolicyError, what engine or retriever throw, or the
   * signal's reason.
   */
  ask(question: string, options?: AskOptions): Promise<Answer>;
  /** Like {@link ask}, with the text as it comes. Work starts at once. */
  stream(question: string, options?: AskOptions): AnswerStream;
  /**
   * A conversation, whose turns and passages stay in the weave's cells. It computes nothing before its first question.
   * @throws InvalidArgumentError, DisposedError
   */
  chat(options?: ChatOptions): Chat;
  /** Answers one prompt twice: woven, then by full prefill. */
  compare(question: string, options?: CompareOptions): Promise<Comparison>;
  /** The prompt that a question gets, without answering it. */
  prompt(question: string, options?: PromptRequest): Promise<WovenPrompt>;
  /** Why which passages would stand in the prompt for a question, without answering it. */
  explain(question: string, options?: ExplainOptions): Promise<Explanation>;
  /** Asks questions behind passages, in the weave's cells: for values and rerankers. */
  readonly probe: QuestionProbe;
  stats(): Promise<WeaveStats>;
  /** After shadow checks found woven answers too far off: weaves again, with no results held against it. */
  resetShadow(): void;
  /**
   * Aborts what runs, waits until chunk KV is written, and gives the cells back. Engine and store stay,
   * unless the store was the weave's own.
   */
  dispose(): Promise<void>;
}

export type PromptRequest = PromptChoices;

export type ExplainOptions = PromptChoices & Pick<AskOptions, 'policy'>;

export interface Explanation {
  /** Absent where nothing was found. */
  readonly selection?: SelectionPlan;
  /** The passages in the order of the prompt. */
  readonly sources: readonly Source[];
  /** Of the whole prompt. */
  readonly promptTokens: number;
  readonly notes: readonly string[];
}

/** A prompt as token ids: the same for weaving and for a full prefill. */
export interface WovenPrompt extends PromptTokens {
  readonly sources: readonly Source[];
  readonly notes: readonly string[];
}

export interface CompareOptions extends Omit<AskOptions, 'reuse'> {
  /** Hears of both answers as they come; what it throws ends the call. */
  readonly onEvent?: (answer: 'woven' | 'full', event: AnswerEvent) => void;
}

export interface Comparison {
  readonly woven: Answer;
  readonly full: Answer;
  /** Time to first token of the full prefill over that of the woven prompt. */
  readonly speedup: number;
}

export interface WeaveStats {
  readonly documents: number;
  readonly chunks: number;
  /** Tokens that prompts and answers may hold together, and how many of them are free. */
  readonly cells: { readonly total: number; readonly free: number };
  /** Milliseconds that computing a token takes; absent while nothing was measured. */
  readonly msPerToken?: number;
  readonly store: StoreStats;
  /** What checks of woven answers found; absent where none were asked for. */
  readonly shadow?: ShadowStats;
}

/**
 * Lays out the prompt and takes the cells that prompts are woven in.
 *
 * @throws OutOfMemoryError when the device has no room for the cells, ContextOverflowError for a warm-up text that is too
 * long, ChatTemplateError, or InvalidArgumentError.
 */
export async function createWeave(options: WeaveOptions): Promise<Weave> {
  if (options.shadow) checkShadowOptions(options.shadow);
  assertChecked(options.policy, options.shadow);
  const lifetime = new AbortController();
  const { kit, ownStore } = await makeKit(options, lifetime.signal);
  return new EngineWeave(kit, options, lifetime, ownStore);
}

class EngineWeave implements Weave {
  readonly #kit: WeaveKit;
  readonly #defaults: AskDefaults;
  readonly #shadow: Shadow | undefined;
  readonly #lifetime: AbortController;
  readonly #ownStore: AsyncDisposable | undefined;
  /** Calls, and what ends them: a listener for each on one signal would look like a leak. */
  readonly #running = new Map<Promise<unknown>, (reason: unknown) => void>();
  readonly #chats = new Set<EngineChat>();
  /** Documents change one call after another. */
  #documentsTurn: Promise<unknown> = Promise.resolve();
  #disposing: Promise<void> | undefined;

  constructor(
    kit: WeaveKit,
    defaults: WeaveOptions,
    lifetime: AbortController,
    ownStore: AsyncDisposable | undefined,
  ) {
    this.#kit = kit;
    this.#defaults = defaults;
    this.#shadow = defaults.shadow && new Shadow(kit, defaults.shadow);
    this.#lifetime = lifetime;
    this.#ownStore = ownStore;
  }

  get model(): ModelInfo {
    return this.#kit.engine.model;
  }

  ingest(
    documents: Iterable<Document> | AsyncIterable<Document>,
    options: IngestOptions = {},
  ): Promise<IngestReport> {
    return this.#work([options.signal], async (signal) => {
      checkBudget(options.budget);
      const { indexed, forgotten } = await this.#changeDocuments(() =>
        this.#index(documents, { ...options, signal }),
      );
      const known = indexed.ids.flatMap((id) => this.#kit.registry.get(id) ?? []);
      const kv = withPass(await this.#warm(known, options, signal), this.#kit.pass?.take());
      return {
        documents: indexed.ids.length,
        chunks: indexed.chunks,
        tokens: indexed.tokens,
        replaced: indexed.replaced,
        empty: indexed.empty,
        changes: indexed.changes,
        undeleted: forgotten.left,
        indexMilliseconds: indexed.milliseconds,
        kv,
      };
    });
  }

  warm(options: WarmOptions = {}): Promise<WarmReport> {
    return this.#work([options.signal], async (signal) => {
      checkBudget(options.budget);
      return this.#warm([...this.#kit.registry.documents()], options, signal);
    });
  }

  remove(documentIds: readonly string[]): Promise<boolean[]> {
    return this.#run([], () =>
      this.#changeDocuments(async () => {
        const found: boolean[] = [];
        for (const id of documentIds) found.push(await this.#removeDocument(id));
        const { left, problem } = await this.#kit.forgetter.run();
        if (left === 0) return found;
        throw new StoreError(
          `The documents were removed, but the store could not delete all KV of ${left} passages: ${String(problem)} It is tried again with the next remove or ingest.`,
          { cause: problem },
        );
      }),
    );
  }

  ask(question: string, options: AskOptions = {}): Promise<Answer> {
    return this.#work([options.signal], (signal) => this.#ask(question, options, signal, () => {}));
  }

  stream(question: string, options: AskOptions = {}): AnswerStream {
    return startAnswerStream((emit, left) =>
      this.#work([left, options.signal], (signal) => this.#ask(question, options, signal, emit)),
    );
  }

  chat(options: ChatOptions = {}): Chat {
    if (this.#disposing) throw new DisposedError('weave');
    const merged = { ...this.#defaults, ...options } as ChatOptions;
    assertChatOptions(merged);
    assertChecked(merged.policy, this.#shadow);
    const chats = this.#chats;
    const host = {
      kit: this.#kit,
      shadow: this.#shadow,
      work: this.#work.bind(this),
      joined: (other: EngineChat) => void chats.add(other),
      left: (other: EngineChat) => void chats.delete(other),
    };
    const chat = new EngineChat(host, merged);
    chats.add(chat);
    return chat;
  }

  compare(question: string, options: CompareOptions = {}): Promise<Comparison> {
    const { onEvent, ...asked } = options;
    return this.#work([options.signal], async (signal) => {
      const prepared = await this.#prepare(question, asked, signal);
      const answer = (reuse: 'woven' | 'full') => {
        const emit = (event: AnswerEvent): void => onEvent?.(reuse, event);
        return this.#ask(question, { ...asked, reuse }, signal, emit, prepared);
      };
      const woven = await answer('woven');
      const full = await answer('full');
      const speedup = full.timings.firstToken / woven.timings.firstToken;
      return { woven, full, speedup: Number.isFinite(speedup) ? speedup : 1 };
    });
  }

  prompt(question: string, options: PromptRequest = {}): Promise<WovenPrompt> {
    return this.#run([options.signal], async (signal) => {
      const prompt = await this.#prepare(question, options, signal);
      const { hits, wanted: _, answerTokens: __, selection: ___, ...parts } = prompt;
      return { ...parts, sources: sourcesOf(this.#kit, hits) };
    });
  }

  explain(question: string, options: ExplainOptions = {}): Promise<Explanation> {
    return this.#work([options.signal], async (signal) => {
      const prompt = await this.#prepare(question, { ...options, explain: true }, signal);
      const { hits, tokens, notes, selection } = prompt;
      return {
        ...(selection && { selection }),
        sources: sourcesOf(this.#kit, hits),
        promptTokens: tokens.length,
        notes,
      };
    });
  }

  readonly probe: QuestionProbe = {
    losses: (sets, options) =>
      this.#work([options.signal], (signal) =>
        this.#kit.probe.losses(sets, { ...options, signal }),
      ),
    attention: (chunks, options) =>
      this.#work([options.signal], (signal) =>
        this.#kit.probe.attention(chunks, { ...options, signal }),
      ),
  };

  stats(): Promise<WeaveStats> {
    return this.#run([], async () => {
      const { registry, cells, costs, store } = this.#kit;
      let chunks = 0;
      for (const document of registry.documents()) chunks += document.chunks.length;
      const { msPerToken } = costs;
      return {
        documents: registry.size,
        chunks,
        cells: { total: cells.total, free: cells.free },
        ...(msPerToken !== undefined && { msPerToken }),
        store: await store.stats(),
        ...(this.#shadow && { shadow: this.#shadow.stats }),
      };
    });
  }

  resetShadow(): void {
    this.#shadow?.reset();
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#shutDown();
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #shutDown(): Promise<void> {
    const reason = new DisposedError('weave');
    this.#lifetime.abort(reason);
    for (const abort of this.#running.values()) abort(reason);
    await Promise.allSettled(this.#running.keys());
    for (const chat of this.#chats) await chat.dispose();
    await this.#shadow?.dispose();
    const { writer, encodings, prefix, arena } = this.#kit;
    await writer.idle();
    await encodings.dispose();
    await prefix.dispose();
    await arena.dispose();
    await this.#ownStore?.[Symbol.asyncDispose]();
  }

  #prepare(
    question: string,
    options: PrepareOptions,
    signal: AbortSignal,
  ): Promise<PreparedPrompt> {
    return preparePrompt(this.#kit, question, { ...this.#defaults, ...options, signal });
  }

  async #ask(
    question: string,
    options: AskOptions,
    signal: AbortSignal,
    emit: Parameters<typeof runAsk>[0]['emit'],
    prepared?: PreparedPrompt,
  ): Promise<Answer> {
    assertChecked(options.policy, this.#shadow);
    // Who says how to answer is obeyed.
    const note = options.reuse === undefined ? this.#shadow?.note : undefined;
    const turned = note === undefined ? {} : ({ reuse: 'full' } as const);
    const merged = { ...this.#defaults, ...options, ...turned };
    const notes = note === undefined ? [] : [note];
    const run = { kit: this.#kit, question, options: merged, signal, emit, prepared, notes };
    // What is compared already needs no check.
    return runAsk({ ...run, shadow: prepared ? undefined : this.#shadow });
  }

  async #warm(
    documents: readonly KnownDocument[],
    options: WarmOptions,
    signal: AbortSignal,
  ): Promise<WarmReport> {
    const all = documents.flatMap(({ chunks }) => chunks);
    const wanted = options.budget?.milliseconds !== 0 && options.budget?.bytes !== 0;
    // Where passes made everything there is no order to find out.
    const isOpen = wanted && (await isAnyMissing(this.#kit, all));
    const chunks = isOpen ? await likelyFirst(documents, this.#kit.retriever, signal) : all;
    return warmChunks(this.#kit, chunks, options, signal);
  }

  /** Also what is left out after an abort or a failure goes from the store. */
  async #index(
    documents: Iterable<Document> | AsyncIterable<Document>,
    options: IndexOptions,
  ): Promise<{ indexed: Indexed; forgotten: Forgotten }> {
    const { forgetter } = this.#kit;
    let indexed: Indexed;
    try {
      indexed = await indexDocuments(this.#kit, documents, options);
    } catch (error) {
      await forgetter.run();
      throw error;
    }
    return { indexed, forgotten: await forgetter.run() };
  }

  async #removeDocument(id: string): Promise<boolean> {
    const { registry, retriever, forgetter } = this.#kit;
    const document = registry.delete(id);
    if (!document) return false;
    forgetter.add(document.chunks);
    await retriever.remove(document.chunks.map((chunk) => chunk.id));
    return true;
  }

  #changeDocuments<T>(change: () => Promise<T>): Promise<T> {
    const next = this.#documentsTurn.then(change);
    this.#documentsTurn = next.catch(() => {});
    return next;
  }

  /** Runs a call that computes, which no shadow check may delay. */
  async #work<T>(
    signals: readonly (AbortSignal | undefined)[],
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const leave = this.#shadow?.enter();
    try {
      return await this.#run(signals, call);
    } finally {
      leave?.();
    }
  }

  /** Runs a call until it ends, a signal aborts it or the weave is disposed. */
  async #run<T>(
    signals: readonly (AbortSignal | undefined)[],
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (this.#disposing) throw new DisposedError('weave');
    for (const signal of signals) signal?.throwIfAborted();
    const { signal, abort, unlink } = linkSignals(signals);
    const work = call(signal);
    this.#running.set(work, abort);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
      unlink();
    }
  }
}

/** What a pass made counts as made now, not as there before. */
function withPass(report: WarmReport, pass: PassTally | undefined): WarmReport {
  if (!pass) return report;
  const made = Math.min(pass.chunks, report.cached);
  return {
    ...report,
    encoded: report.encoded + made,
    cached: report.cached - made,
    tokens: report.tokens + pass.tokens,
    bytes: report.bytes + pass.bytes,
  };
}
