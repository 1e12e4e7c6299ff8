export { statDocuments } from './find.js';
export { extractHtml, type ExtractedHtml } from './html.js';
export { loadAllDocuments, loadDocuments, type LoadedDocuments } from './load.js';
export { readDocument, type ReadResult } from './read.js';
export {
  defaultExtensions,
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
