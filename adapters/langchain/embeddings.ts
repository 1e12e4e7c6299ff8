import { Embeddings, type EmbeddingsParams } from '@langchain/core/embeddings';
import type { Embedder } from '../../lib/retrieve/embedder.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import { assertPeer } from './peer.js';

export interface ChunkweaveEmbeddingsFields extends EmbeddingsParams {
  readonly embedder: Embedder;
  /** Texts embedded at once; default 32. */
  readonly batchSize?: number;
}

/** An {@link Embedder} as LangChain's `Embeddings`. Vectors have length 1, `[dimensions]`. */
export class ChunkweaveEmbeddings extends Embeddings {
  readonly embedder: Embedder;
  readonly batchSize: number;

  constructor(fields: ChunkweaveEmbeddingsFields) {
    assertPeer();
    super(fields);
    const { embedder, batchSize = 32 } = fields;
    if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
      throw new InvalidArgumentError(
        `batchSize is ${batchSize}; give a whole number of at least 1.`,
      );
    }
    this.embedder = embedder;
    this.batchSize = batchSize;
  }

  override async embedDocuments(documents: string[]): Promise<number[][]> {
    const vectors: number[][] = [];
    for (let at = 0; at < documents.length; at += this.batchSize) {
      const texts = documents.slice(at, at + this.batchSize);
      const batch = await this.embedder.embed(texts, { kind: 'passage' });
      for (const vector of batch) vectors.push([...vector]);
    }
    return vectors;
  }

  override async embedQuery(document: string): Promise<number[]> {
    const [vector] = await this.embedder.embed([document], { kind: 'query' });
    return [...(vector as Float32Array)];
  }
}
