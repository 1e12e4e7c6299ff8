import { InvalidArgumentError } from '../../lib/errors.js';
import type { Embedder } from '../../lib/retrieve/embedder.js';
import { contractVersion, type EmbeddingModelContract } from './contract.js';
import { providerName } from './language-model.js';

/**
 * An AI SDK embedding model over an embedder. Texts are embedded as passages; for questions say
 * `providerOptions: { chunkweave: { kind: 'query' } }`, which matters to embedders that were trained so.
 */
export function embeddingModel(embedder: Embedder, modelId: string): EmbeddingModelContract {
  return {
    specificationVersion: contractVersion,
    provider: providerName,
    modelId,
    maxEmbeddingsPerCall: undefined,
    // The embedder takes its batches in turn anyway.
    supportsParallelCalls: false,
    async doEmbed({ values, abortSignal, providerOptions }) {
      const { kind = 'passage', ...others } = providerOptions?.['chunkweave'] ?? {};
      const [unknown] = Object.keys(others);
      if (unknown !== undefined || (kind !== 'query' && kind !== 'passage')) {
        throw new InvalidArgumentError(
          'providerOptions.chunkweave of an embedding holds nothing but kind: "query" or "passage".',
        );
      }
      const vectors = await embedder.embed(values, {
        kind,
        ...(abortSignal && { signal: abortSignal }),
      });
      return { embeddings: vectors.map((vector) => Array.from(vector)), warnings: [] };
    },
  };
}
