/** Model files: aliases, sources, and the cache that they are kept in. */

export { defaultEmbedder, defaultModel, modelAliases } from './aliases.js';
export { cacheFolder, modelFolder } from './cache-folder.js';
export { type ConvertOptions, convertSentenceTransformers } from './convert/index.js';
export type { WeightType } from './convert/weight-type.js';
export { findModel, resolveModel } from './resolve.js';
export { type CachedModel, listModels, removeModel } from './store.js';
export type {
  ModelAlias,
  ModelAliases,
  ModelLicence,
  ModelNotice,
  ModelProgress,
  ModelStoreOptions,
  ResolvedModel,
  ResolveModelOptions,
  Verification,
} from './types.js';
