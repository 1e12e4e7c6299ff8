import { randomUUID } from 'node:crypto';
import { Document, type DocumentInterface } from '@langchain/core/documents';
import type { EmbeddingsInterface } from '@langchain/core/embeddings';
import { VectorStore } from '@langchain/core/vectorstores';
import { InvalidArgumentError } from '../../lib/errors.js';
import type { Embedder } from '../../lib/retrieve/embedder.js';
import type { MetadataFilter } from '../../lib/retrieve/filter.js';
import { flatIndex } from '../../lib/retrieve/flat-index.js';
import type { VectorEntry, VectorIndex } from '../../lib/retrieve/vector-index.js';
import { ChunkweaveEmbeddings } from './embeddings.js';
import { assertPeer } from './peer.js';

export interface ChunkweaveVectorStoreFields {
  readonly embedder: Embedder;
  /** Of the embedder's dimensions; used by nothing else. Default {@link flatIndex}. */
  readonly index?: VectorIndex;
}

/** Fields of an entry's metadata that hold the document; those that filters see stand beside it. */
const textField = '_text';

/**
 * Any {@link VectorIndex} as a vector store. Documents are kept in the index, as metadata of their vectors, which is plain
 * JSON; so a saved index, or one in a database, brings them back. A document with the id of one that is there takes its place.
 */
export class ChunkweaveVectorStore extends VectorStore {
  declare FilterType: MetadataFilter;
  readonly index: VectorIndex;

  static override lc_name(): string {
    return 'ChunkweaveVectorStore';
  }

  /** @throws InvalidArgumentError for an index of other dimensions or another embedder. */
  constructor(fields: ChunkweaveVectorStoreFields) {
    assertPeer();
    const { embedder, index = flatIndex({ embedder }) } = fields;
    if (index.dimensions !== embedder.dimensions || index.fingerprint !== embedder.fingerprint) {
      throw new InvalidArgumentError(
        `The index holds vectors of "${index.fingerprint}", ${index.dimensions} numbers long, and the embedder is "${embedder.fingerprint}" with ${embedder.dimensions}. Use the embedder that the index was made with, or a new index.`,
      );
    }
    super(new ChunkweaveEmbeddings({ embedder }), {});
    this.index = index;
  }

  override _vectorstoreType(): string {
    return 'chunkweave';
  }

  /** @returns the ids: those given in `options`, else those of the documents, else new ones. */
  override async addDocuments(
    documents: DocumentInterface[],
    options: AddOptions = {},
  ): Promise<string[]> {
    const texts = documents.map(({ pageContent }) => pageContent);
    return this.addVectors(await this.embeddings.embedDocuments(texts), documents, options);
  }

  /** @throws InvalidArgumentError for counts that differ, one id twice, and what the index refuses; nothing is added then. */
  override async addVectors(
    vectors: number[][],
    documents: DocumentInterface[],
    { ids, signal }: AddOptions = {},
  ): Promise<string[]> {
    if (vectors.length !== documents.length || (ids && ids.length !== documents.length)) {
      throw new InvalidArgumentError(
        `There are ${documents.length} documents, ${vectors.length} vectors${ids ? ` and ${ids.length} ids` : ''}. Give as many of each.`,
      );
    }
    const seen = new Set<string>();
    const entries = documents.map(({ id, pageContent, metadata }, i): VectorEntry => {
      const named = ids?.[i] ?? id ?? randomUUID();
      if (seen.has(named)) {
        throw new InvalidArgumentError(
          `Two documents have the id "${named}". Give each its own id, or none.`,
        );
      }
      seen.add(named);
      return {
        id: named,
        vector: Float32Array.from(vectors[i] as number[]),
        metadata: { ...metadata, [textField]: pageContent },
      };
    });
    await this.index.upsert(entries, { signal });
    return entries.map(({ id }) => id);
  }

  /** Deletes documents by id; unknown ids are left alone. @throws InvalidArgumentError without ids. */
  override async delete(params: { readonly ids?: readonly string[] } = {}): Promise<void> {
    if (!params.ids) {
      throw new InvalidArgumentError(
        'Say which documents to delete: delete({ ids }). To remove all, call index.clear().',
      );
    }
    await this.index.remove(params.ids);
  }

  /** Nearest first; the score is the index's own: higher is nearer. */
  override async similaritySearchVectorWithScore(
    query: number[],
    k: number,
    filter?: MetadataFilter,
  ): Promise<[Document, number][]> {
    const matches = await this.index.query(Float32Array.from(query), { k, filter });
    return matches.map(({ id, score, metadata }) => {
      const { [textField]: text, ...rest } = metadata;
      return [new Document({ id, pageContent: String(text ?? ''), metadata: rest }), score];
    });
  }

  /** @param embeddings made of an embedder of this package. */
  static override async fromTexts(
    texts: string[],
    metadatas: object[] | object,
    embeddings: EmbeddingsInterface,
    config: Omit<ChunkweaveVectorStoreFields, 'embedder'> = {},
  ): Promise<ChunkweaveVectorStore> {
    const documents = texts.map((pageContent, i) => {
      const metadata = Array.isArray(metadatas) ? (metadatas[i] ?? {}) : metadatas;
      return new Document({ pageContent, metadata: metadata as Record<string, unknown> });
    });
    return this.fromDocuments(documents, embeddings, config);
  }

  /** @throws InvalidArgumentError for other embeddings than {@link ChunkweaveEmbeddings}. */
  static override async fromDocuments(
    documents: DocumentInterface[],
    embeddings: EmbeddingsInterface,
    config: Omit<ChunkweaveVectorStoreFields, 'embedder'> = {},
  ): Promise<ChunkweaveVectorStore> {
    if (!(embeddings instanceof ChunkweaveEmbeddings)) {
      throw new InvalidArgumentError(
        'A ChunkweaveVectorStore embeds with ChunkweaveEmbeddings, which say which vectors they make. Wrap your embedder: new ChunkweaveEmbeddings({ embedder }).',
      );
    }
    const store = new ChunkweaveVectorStore({ ...config, embedder: embeddings.embedder });
    await store.addDocuments(documents);
    return store;
  }
}

interface AddOptions {
  readonly ids?: readonly string[];
  readonly signal?: AbortSignal;
}
