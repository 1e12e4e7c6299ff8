import { AsyncLocalStorage } from 'node:async_hooks';
import type { Chunker } from '../../../lib/chunkers/chunker.js';
import { chunkDocument } from '../../../lib/chunk-document.js';
import type { Chunk } from '../../../lib/document.js';
import type { KvEngine } from '../../../lib/engine/engine.js';
import { ContextOverflowError, InvalidArgumentError } from '../../../lib/errors.js';
import { bm25Retriever } from '../../../lib/retrieve/bm25.js';
import type { Retriever, ScoredChunk, SearchOptions } from '../../../lib/retrieve/retriever.js';
import type { PromptDocument } from '../messages/prompt-document.js';

/** What one call answers from. */
export interface Call {
  /** Passages of the call's documents, in the order of the messages. */
  readonly passages: readonly Chunk[];
  /** What stands after them. */
  readonly text: string;
  /** What the weave is asked; other questions are those of earlier turns. */
  readonly question?: string;
}

/**
 * The calls of a model that run at the moment. A weave asks its retriever and its prompt for what belongs to a
 * question; each call's asynchronous context says which call that is.
 */
export class RunningCalls {
  readonly #calls = new AsyncLocalStorage<Call>();

  run<T>(call: Call, work: () => T): T {
    return this.#calls.run(call, work);
  }

  get current(): Call {
    return this.#calls.getStore() ?? { passages: [], text: '' };
  }
}

/**
 * Finds passages among those of the running call: all of them in their order where there is room for all, else the best
 * by BM25, and after those that match nothing.
 */
export class CallRetriever implements Retriever {
  readonly #calls: RunningCalls;

  constructor(calls: RunningCalls) {
    this.#calls = calls;
  }

  get size(): number {
    return this.#calls.current.passages.length;
  }

  add(): Promise<void> {
    throw new InvalidArgumentError('Documents of a chat model come with its messages.');
  }

  remove(): Promise<void> {
    throw new InvalidArgumentError('Documents of a chat model come with its messages.');
  }

  async search(question: string, { k, signal }: SearchOptions): Promise<ScoredChunk[]> {
    const { passages } = this.#calls.current;
    const count = passages.length;
    if (count <= k) return passages.map((chunk, i) => ({ chunk, score: 1 - i / count }));
    const signalled = signal ? { signal } : {};
    const retriever = bm25Retriever();
    await retriever.add(passages, signalled);
    const found = await retriever.search(question, { k, ...signalled });
    const ids = new Set(found.map(({ chunk }) => chunk.id));
    const rest = passages.filter(({ id }) => !ids.has(id)).map((chunk) => ({ chunk, score: 0 }));
    return [...found, ...rest].slice(0, k);
  }
}

/** Documents whose passages are remembered between calls. */
const mostRemembered = 4096;

/** Cuts documents into passages, those that come again only once. */
export class PassageCutter {
  readonly #engine: KvEngine;
  readonly #chunker: Chunker;
  readonly #known = new Map<string, readonly Chunk[]>();

  constructor(engine: KvEngine, chunker: Chunker) {
    this.#engine = engine;
    this.#chunker = chunker;
  }

  /**
   * @param choosing some of the passages are picked for the prompt; otherwise all must fit.
   * @throws ContextOverflowError as soon as the passages are longer than the context, before the rest is read.
   */
  async cut(
    documents: readonly PromptDocument[],
    options: { readonly choosing: boolean; readonly signal: AbortSignal | undefined },
  ): Promise<Chunk[]> {
    const { contextLength } = this.#engine.model;
    const all: Chunk[] = [];
    let tokens = 0;
    for (const [i, document] of documents.entries()) {
      options.signal?.throwIfAborted();
      const chunks = await this.#passagesOf(document, options.signal);
      for (const chunk of chunks) {
        all.push(chunk);
        tokens += chunk.tokens.length;
      }
      if (tokens < contextLength || options.choosing) continue;
      throw new ContextOverflowError(
        tokens,
        contextLength,
        `So long are the first ${i + 1} of ${documents.length} documents. Give the model \`topK\` or a \`selector\`, which pick passages, or fewer documents.`,
      );
    }
    return all;
  }

  async #passagesOf(
    document: PromptDocument,
    signal: AbortSignal | undefined,
  ): Promise<readonly Chunk[]> {
    const key = JSON.stringify([document.id, document.text]);
    const known = this.#known.get(key);
    // The last one used goes last.
    this.#known.delete(key);
    const chunks =
      known ??
      (await chunkDocument(document, {
        tokenizer: this.#engine.tokenizer,
        chunker: this.#chunker,
        signal,
      }));
    this.#known.set(key, chunks);
    if (this.#known.size > mostRemembered) {
      const [oldest] = this.#known.keys();
      this.#known.delete(oldest as string);
    }
    return chunks;
  }
}
