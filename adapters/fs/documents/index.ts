export { statDocuments } from './find.js';
export { defaultExtensions, type DocumentFormat } from './formats.js';
export { extractHtml, type ExtractedHtml } from './html.js';
export { loadAllDocuments, loadDocuments, type LoadedDocuments } from './load.js';
export { readDocuments, type ReadResult } from './read.js';
export type { RecordOptions, SourceRecord } from './record-options.js';
export { defaultIgnoreFiles } from './selection.js';
export {
  defaultMaxFileBytes,
  type DocumentFile,
  type DocumentWarning,
  type FindOptions,
  type LoadOptions,
  type LoadProgress,
  type ReadOptions,
  type SkippedFile,
  type SkipReason,
} from './types.js';
