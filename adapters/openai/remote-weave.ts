import type { ChatFormat } from '../../lib/engine/chat.js';
import type { Tokenizer } from '../../lib/engine/tokenizer.js';
import { CacheLedger, type LedgerReport, type TokenPrices } from '../../lib/remote/cache-ledger.js';
import {
  layoutMessages,
  layoutTokens,
  type MessagesPrompt,
  type RemotePromptOptions,
  type TokensPrompt,
} from '../../lib/remote/layout-prompt.js';
import { PrefixHistory } from '../../lib/remote/prefix-history.js';
import { assertCount } from '../../lib/retrieve/ranking.js';
import type { Retriever, ScoredChunk, SearchOptions } from '../../lib/retrieve/retriever.js';
import { type Completion, type CompletionOptions, streamCompletion } from './completion.js';
import { connectionOf, type OpenAiOptions } from './options.js';

export interface RemoteWeaveOptions extends OpenAiOptions {
  readonly retriever: Retriever;
  /** Passages of a prompt; default 8. */
  readonly topK?: number;
  readonly system?: string;
  readonly instructions?: string;
  /** Default one of its own, that begins empty. */
  readonly history?: PrefixHistory;
  /** Of the very model that the server runs: prompts then go as token ids. Blending needs it. */
  readonly engine?: { readonly tokenizer: Tokenizer; readonly chat: ChatFormat };
  /** For {@link RemoteWeave.report}; default none. */
  readonly prices?: TokenPrices;
}

/** What a single question may change: how many passages, which, and how the answer is sampled. */
export interface RemoteAskOptions extends CompletionOptions {
  readonly topK?: number;
  readonly filter?: SearchOptions['filter'];
}

export interface RemoteAnswer extends Completion {
  /** In the order of the prompt. */
  readonly sources: readonly ScoredChunk[];
  /** How many of the first sources are the beginning of an earlier prompt: what the server can have cached. */
  readonly shared: number;
}

/** Answers questions over passages by a model that runs elsewhere, with prompts laid out for that server's own cache. */
export interface RemoteWeave {
  /** @throws InvalidArgumentError, RemoteError, what the retriever throws, or the signal's reason. */
  ask(question: string, options?: RemoteAskOptions): Promise<RemoteAnswer>;
  /** Text piece by piece; returns the answer. Leaving early ends the request. */
  stream(
    question: string,
    options?: RemoteAskOptions,
  ): AsyncGenerator<string, RemoteAnswer, undefined>;
  /** What the server reused so far, and what that saved. */
  report(): LedgerReport;
}

/** @throws InvalidArgumentError */
export function createRemoteWeave(options: RemoteWeaveOptions): RemoteWeave {
  const connection = connectionOf(options);
  const { retriever, engine, system, instructions, history = new PrefixHistory() } = options;
  const ledger = new CacheLedger(options.prices);
  if (options.topK !== undefined) assertCount('topK', options.topK);

  async function* stream(
    question: string,
    { topK = options.topK ?? 8, filter, ...asked }: RemoteAskOptions = {},
  ): AsyncGenerator<string, RemoteAnswer, undefined> {
    const { signal } = asked;
    const found = await retriever.search(question, {
      k: topK,
      ...(filter && { filter }),
      ...(signal && { signal }),
    });
    const wanted: RemotePromptOptions = {
      server: connection.server,
      passages: found.map(({ chunk }) => ({ id: chunk.id, text: chunk.text })),
      question,
      history,
      ...(system !== undefined && { system }),
      ...(instructions !== undefined && { instructions }),
    };
    const prompt: MessagesPrompt | TokensPrompt = engine
      ? await layoutTokens(wanted, engine, signal ? { signal } : {})
      : layoutMessages(wanted);
    const sources = prompt.order.map((i) => found[i] as ScoredChunk);
    const answer = yield* streamCompletion(connection, prompt, asked);
    // Only what was answered is known to be in the server's cache.
    history.record(sources.map(({ chunk }) => chunk.id));
    if (answer.usage) ledger.add(answer.usage);
    return { ...answer, sources, shared: prompt.shared };
  }

  return {
    stream,
    async ask(question, asked) {
      const pieces = stream(question, asked);
      for (;;) {
        const { done, value } = await pieces.next();
        if (done) return value;
      }
    },
    report: () => ledger.report(),
  };
}
