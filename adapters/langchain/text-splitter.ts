import {
  BaseDocumentTransformer,
  Document,
  type DocumentInterface,
} from '@langchain/core/documents';
import { approximateTokens } from '../../lib/chunkers/approximate-tokens.js';
import type { Chunker } from '../../lib/chunkers/chunker.js';
import { recursiveChunker } from '../../lib/chunkers/recursive.js';
import { chunkDocument, tokenizeDocument } from '../../lib/chunk-document.js';
import type { Tokenizer } from '../../lib/engine/tokenizer.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import { assertPeer } from './peer.js';

export interface ChunkweaveTextSplitterFields {
  /** Default {@link recursiveChunker}. */
  readonly chunker?: Chunker;
  /** The model's, so that sizes are counted in its tokens; default an approximation by words ({@link approximateTokens}). */
  readonly tokenizer?: Tokenizer;
}

/** What a single call of a splitter may be given. */
export interface SplitOptions {
  readonly signal?: AbortSignal;
}

/** Where a passage stands in the text that it was cut from: `metadata.chunk`. */
export interface ChunkPlace {
  /** Name of the chunker. */
  readonly by: string;
  /** Number of the passage in its document, from 0. */
  readonly index: number;
  /** Span in UTF-16 units: `text.slice(start, end)` is the passage. */
  readonly start: number;
  readonly end: number;
  readonly tokens: number;
}

/**
 * Any chunker as a text splitter with the methods of LangChain's own. Passages keep the metadata of their document and
 * what the chunker says (headings, lines), which goes before it, and tell their place in `metadata.chunk`; their `id` is
 * made of the document's, where it has one, and their text.
 */
export class ChunkweaveTextSplitter extends BaseDocumentTransformer {
  override lc_namespace = ['chunkweave', 'langchain'];
  readonly chunker: Chunker;
  readonly tokenizer: Tokenizer | undefined;

  static override lc_name(): string {
    return 'ChunkweaveTextSplitter';
  }

  constructor({ chunker = recursiveChunker(), tokenizer }: ChunkweaveTextSplitterFields = {}) {
    assertPeer();
    super();
    this.chunker = chunker;
    this.tokenizer = tokenizer;
  }

  /** The passages' texts. */
  async splitText(text: string, options: SplitOptions = {}): Promise<string[]> {
    const documents = await this.createDocuments([text], [], options);
    return documents.map(({ pageContent }) => pageContent);
  }

  /** @param metadatas one a text, or none. */
  createDocuments(
    texts: string[],
    metadatas: Record<string, unknown>[] = [],
    options: SplitOptions = {},
  ): Promise<Document[]> {
    if (metadatas.length > 0 && metadatas.length !== texts.length) {
      throw new InvalidArgumentError(
        `There are ${texts.length} texts and ${metadatas.length} metadata. Give one for each text, or none.`,
      );
    }
    const documents = texts.map(
      (pageContent, i) => new Document({ pageContent, metadata: metadatas[i] ?? {} }),
    );
    return this.splitDocuments(documents, options);
  }

  /** @throws what the chunker throws, InvalidArgumentError for two documents with one id, or the signal's reason. */
  async splitDocuments(
    documents: DocumentInterface[],
    { signal }: SplitOptions = {},
  ): Promise<Document[]> {
    const seen = new Set<string>();
    const passages: Document[] = [];
    for (const document of documents) {
      signal?.throwIfAborted();
      if (document.id !== undefined && seen.has(document.id)) {
        throw new InvalidArgumentError(
          `Two documents have the id "${document.id}". Give each its own id, or none.`,
        );
      }
      if (document.id !== undefined) seen.add(document.id);
      passages.push(...(await this.#split(document, signal)));
    }
    return passages;
  }

  override transformDocuments(documents: DocumentInterface[]): Promise<Document[]> {
    return this.splitDocuments(documents);
  }

  async #split(
    { id, pageContent, metadata }: DocumentInterface,
    signal: AbortSignal | undefined,
  ): Promise<Document[]> {
    const { chunker, tokenizer } = this;
    const signalled = signal ? { signal } : {};
    const given = { id: id ?? 'text', text: pageContent, metadata };
    const tokenized = tokenizer
      ? await tokenizeDocument(given, tokenizer, signalled)
      : await approximateTokens(given, signalled);
    const chunks = await chunkDocument(tokenized, { chunker, ...signalled });
    return chunks.map(({ id: chunkId, text, start, end, tokens, metadata: own }, index) => {
      const chunk: ChunkPlace = { by: chunker.name, index, start, end, tokens: tokens.length };
      return new Document({
        pageContent: text,
        metadata: { ...own, ...metadata, chunk },
        ...(id !== undefined && { id: chunkId }),
      });
    });
  }
}
