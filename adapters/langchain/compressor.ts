import type { Callbacks } from '@langchain/core/callbacks/manager';
import { Document, type DocumentInterface } from '@langchain/core/documents';
import { BaseDocumentCompressor } from '@langchain/core/retrievers/document_compressors';
import type { Tokenizer } from '../../lib/engine/tokenizer.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import type { Reranker } from '../../lib/rerank/reranker.js';
import type { ScoredChunk } from '../../lib/retrieve/retriever.js';
import { tokensCost } from '../../lib/select/costs/tokens.js';
import type { Selector, SetCost, SetOrder, SetValue } from '../../lib/select/selector.js';
import { sumOfScores } from '../../lib/select/values/sum-of-scores.js';
import { assertPeer } from './peer.js';
import { candidatesOf } from './scored-documents.js';

export interface ChunkweaveCompressorFields {
  /** Orders the documents anew; default as they come. */
  readonly reranker?: Reranker;
  /** Picks documents under the budget; default the best `k` after the reranker. */
  readonly selector?: Selector;
  /** Documents to keep without a selector; default all. */
  readonly k?: number;
  /** For the selector, in the unit of its `cost`; needed with one. */
  readonly budget?: number;
  /** Default {@link tokensCost}. */
  readonly cost?: SetCost;
  /** What a set of documents is worth; default the {@link sumOfScores}. */
  readonly value?: SetValue;
  /** Order of the chosen ones; default as the selector has it. */
  readonly order?: SetOrder;
  /** Default an approximation by words ({@link approximateTokens}). */
  readonly tokenizer?: Tokenizer;
  readonly signal?: AbortSignal;
}

/**
 * A selector, a reranker or both as LangChain's document compressor. Documents keep their metadata; `metadata.score` is
 * the reranker's where there is one, else what it was, or falls with the place.
 */
export class ChunkweaveCompressor extends BaseDocumentCompressor {
  readonly #fields: ChunkweaveCompressorFields;

  /** @throws InvalidArgumentError for neither selector, reranker nor `k`, and a selector without a budget. */
  constructor(fields: ChunkweaveCompressorFields) {
    assertPeer();
    super();
    const { selector, reranker, k, budget } = fields;
    if (!selector && !reranker && k === undefined) {
      throw new InvalidArgumentError(
        'A ChunkweaveCompressor needs a selector, a reranker or k; else it would keep all documents as they are.',
      );
    }
    if (selector && budget === undefined) {
      throw new InvalidArgumentError(
        'A selector needs a budget: the tokens that the documents may take, or the unit of your cost.',
      );
    }
    if (k !== undefined && (!Number.isSafeInteger(k) || k < 1)) {
      throw new InvalidArgumentError(`k is ${k}; give a whole number of at least 1.`);
    }
    this.#fields = fields;
  }

  /** @throws InvalidArgumentError for two documents with one id, what selector and reranker throw, or the signal's reason. */
  override async compressDocuments(
    documents: DocumentInterface[],
    query: string,
    _callbacks?: Callbacks,
  ): Promise<Document[]> {
    const { tokenizer, reranker, signal, k } = this.#fields;
    signal?.throwIfAborted();
    const { candidates, of } = await candidatesOf(documents, tokenizer);
    if (candidates.length === 0) return [];
    const signalled = signal ? { signal } : {};
    const ranked = reranker
      ? await reranker.rerank({ question: query, candidates, ...signalled })
      : candidates;
    const chosen = this.#fields.selector
      ? await this.#select(this.#fields.selector, ranked, query)
      : ranked.slice(0, k);
    return chosen.map(({ chunk, score }) => {
      const { id, pageContent, metadata } = of(chunk.id);
      const scored = { ...metadata, score };
      return new Document({ pageContent, metadata: scored, ...(id !== undefined && { id }) });
    });
  }

  async #select(
    selector: Selector,
    candidates: readonly ScoredChunk[],
    question: string,
  ): Promise<readonly ScoredChunk[]> {
    const { budget, cost = tokensCost(), value = sumOfScores(), order, signal } = this.#fields;
    const { chunks } = await selector.select({
      question,
      candidates,
      budget: budget as number,
      cost,
      value,
      ...(order && { order }),
      ...(signal && { signal }),
    });
    return chunks;
  }
}
