/** Files and folders: where chunk KV is kept and documents come from. */

export { folderStore, type FolderStore } from './store/folder-store.js';
export type { CompactReport } from './store/compact.js';
export type { FolderProgress, FolderTaskOptions, RecordProblem } from './store/folder-task.js';
export type { FolderStoreOptions } from './store/options.js';
export type { TransferReport } from './store/transfer.js';
export type { VerifyReport } from './store/verify.js';
export * from './documents/index.js';
export { fileLog } from './result-log.js';
export { readVectorIndex, saveVectorIndex, type SaveVectorIndexOptions } from './vector-file.js';
