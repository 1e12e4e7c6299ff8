export { defaultModel, modelAliases } from './aliases.js';
export { cacheFolder, modelFolder } from './cache-folder.js';
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
