/** A weave in one call: model, chunk KV on disk and documents, opened together and closed together. */
export { openWeave, type OpenedWeave } from './open-weave.js';
export type {
  EngineChoice,
  KvChoice,
  OpenProgress,
  OpenWeaveOptions,
  SearchChoice,
} from './options.js';
