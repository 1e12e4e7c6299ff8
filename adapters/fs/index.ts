/** Files and folders: where chunk KV is kept and documents come from. */

export { folderStore, type FolderStoreOptions } from './store/folder-store.js';
export * from './documents/index.js';
