/** chunkweave for the AI SDK: provider, middleware, and its models as the models that chunkweave asks. */

export { aiSdkLanguageModel, type AiSdkLanguageModelOptions } from './as-language-model.js';
export { engineModel, weaveModel } from './language-model.js';
export {
  retrievalMiddleware,
  type RetrievalMiddlewareOptions,
  weaveMiddleware,
  type WeaveMiddlewareOptions,
} from './middleware.js';
export type { PassageWords } from './passages.js';
export {
  type ChunkweaveProvider,
  type ChunkweaveProviderParts,
  createChunkweave,
} from './provider.js';
export type { ChunkweaveProviderOptions } from './provider-options.js';
export type { RerankerParts } from './reranking-model.js';
