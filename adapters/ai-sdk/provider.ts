import type { KvEngine } from '../../lib/engine/engine.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import type { Embedder } from '../../lib/retrieve/embedder.js';
import type { Weave } from '../../lib/weave.js';
import {
  contractVersion,
  type EmbeddingModelContract,
  type LanguageModelContract,
  type ProviderContract,
  type RerankingModelContract,
} from './contract.js';
import { embeddingModel } from './embedding-model.js';
import { engineModel, weaveModel } from './language-model.js';
import { type RerankerParts, rerankingModel } from './reranking-model.js';

export interface ChunkweaveProviderParts {
  /** By the id that they are asked for with: an engine converses, a weave answers from its documents. */
  readonly models?: Readonly<Record<string, KvEngine | Weave>>;
  readonly embedders?: Readonly<Record<string, Embedder>>;
  readonly rerankers?: Readonly<Record<string, RerankerParts>>;
}

export interface ChunkweaveProvider extends ProviderContract {
  /** Short for {@link languageModel}. */
  (modelId: string): LanguageModelContract;
  textEmbeddingModel(modelId: string): EmbeddingModelContract;
  rerankingModel(modelId: string): RerankingModelContract;
}

/**
 * A provider for the AI SDK. What it is given stays the caller's, who disposes it.
 *
 * Its methods throw InvalidArgumentError for an id that it was not given.
 */
export function createChunkweave(parts: ChunkweaveProviderParts): ChunkweaveProvider {
  const languageModel = (modelId: string): LanguageModelContract => {
    const model = partOf('model', parts.models, modelId);
    return 'ask' in model ? weaveModel(model, modelId) : engineModel(model, modelId);
  };
  const textEmbeddingModel = (modelId: string) =>
    embeddingModel(partOf('embedder', parts.embedders, modelId), modelId);
  return Object.assign((modelId: string) => languageModel(modelId), {
    specificationVersion: contractVersion,
    languageModel,
    embeddingModel: textEmbeddingModel,
    textEmbeddingModel,
    rerankingModel: (modelId: string) =>
      rerankingModel(partOf('reranker', parts.rerankers, modelId), modelId),
    imageModel(modelId: string): never {
      throw new InvalidArgumentError(
        `chunkweave makes no images: there is no image model "${modelId}".`,
      );
    },
  } as const);
}

function partOf<T>(what: string, parts: Readonly<Record<string, T>> = {}, id: string): T {
  if (Object.hasOwn(parts, id)) return parts[id] as T;
  const known = Object.keys(parts).map((name) => `"${name}"`);
  throw new InvalidArgumentError(
    `There is no ${what} "${id}". Given to createChunkweave: ${known.join(', ') || 'none'}.`,
  );
}
