import type { CallbackManagerForRetrieverRun } from '@langchain/core/callbacks/manager';
import type { Document, DocumentInterface } from '@langchain/core/documents';
import { BaseRetriever, type BaseRetrieverInput } from '@langchain/core/retrievers';
import { InvalidArgumentError } from '../../lib/errors.js';
import type { MetadataFilter } from '../../lib/retrieve/filter.js';
import type { Retriever } from '../../lib/retrieve/retriever.js';
import { ChunkweaveCompressor, type ChunkweaveCompressorFields } from './compressor.js';
import { ChunkweaveTextSplitter, type ChunkweaveTextSplitterFields } from './text-splitter.js';
import { assertPeer } from './peer.js';
import { foundDocument } from './scored-documents.js';
import { chunksOf } from './chunks-of.js';

export interface ChunkweaveRetrieverFields extends BaseRetrieverInput {
  /** Lexical, dense, hybrid, with neighbours, reranked: any. May hold passages already. */
  readonly retriever: Retriever;
  /** Passages to find; default 4. */
  readonly k?: number;
  readonly filter?: MetadataFilter;
  /** Picks or reranks among `candidates` passages; default none does. */
  readonly compress?: ChunkweaveCompressorFields;
  /** Passages to find for `compress`; default 20, and never fewer than `k`. */
  readonly candidates?: number;
  /** How added documents are cut. */
  readonly splitter?: ChunkweaveTextSplitterFields;
}

/**
 * Any {@link Retriever} as LangChain's, with score, document and span of each passage in its metadata. With `compress`, a
 * selector or reranker sees the candidates before.
 */
export class ChunkweaveRetriever extends BaseRetriever {
  override lc_namespace = ['chunkweave', 'langchain'];
  readonly #fields: ChunkweaveRetrieverFields;
  readonly #compressor: ChunkweaveCompressor | undefined;

  static override lc_name(): string {
    return 'ChunkweaveRetriever';
  }

  /** @throws InvalidArgumentError */
  constructor(fields: ChunkweaveRetrieverFields) {
    assertPeer();
    super(fields);
    for (const name of ['k', 'candidates'] as const) {
      const value = fields[name];
      if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue;
      throw new InvalidArgumentError(`${name} is ${value}; give a whole number of at least 1.`);
    }
    this.#fields = fields;
    const { compress, k = 4 } = fields;
    this.#compressor = compress && new ChunkweaveCompressor({ k, ...compress });
  }

  /**
   * Cuts documents into passages and adds them; of one that is there already, those of equal text are replaced.
   * @throws InvalidArgumentError for a document without an id, or with one that another has.
   */
  async addDocuments(
    documents: readonly DocumentInterface[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const { chunker, tokenizer } = new ChunkweaveTextSplitter(this.#fields.splitter);
    const chunks = await chunksOf(documents, { chunker, tokenizer, signal: options.signal });
    await this.#fields.retriever.add(chunks, options);
  }

  override async _getRelevantDocuments(
    query: string,
    _runManager?: CallbackManagerForRetrieverRun,
  ): Promise<Document[]> {
    const { retriever, k = 4, candidates = 20, filter } = this.#fields;
    const filtered = filter ? { filter } : {};
    const compressor = this.#compressor;
    const count = compressor ? Math.max(k, candidates) : k;
    const found = await retriever.search(query, { k: count, ...filtered });
    const documents = found.map(foundDocument);
    return compressor ? compressor.compressDocuments(documents, query) : documents;
  }
}
