import { stat } from 'node:fs/promises';
import { type CacheEntry, listEntries, removeEntry } from './cache.js';
import { modelFolder } from './cache-folder.js';
import { onDisk } from './disk.js';
import { foldersOf } from './resolve.js';
import type { ModelStoreOptions } from './types.js';

export type CachedModel = Omit<CacheEntry, 'version' | 'folder'>;

/** The models in the cache, by file name. */
export async function listModels(options: ModelStoreOptions = {}): Promise<CachedModel[]> {
  const entries = await listEntries(modelFolder(options));
  return entries.map(({ version: _version, folder: _folder, ...model }) => model);
}

/**
 * Removes a model from the cache, and what is left of an interrupted download of it. `source` is what it was pulled
 * by, or the name of its file in the cache. A file outside the cache is never touched.
 *
 * @returns whether there was anything.
 */
export async function removeModel(
  source: string,
  options: ModelStoreOptions = {},
): Promise<boolean> {
  const entries = await listEntries(modelFolder(options));
  const named = entries.filter(({ fileName, path }) => fileName === source || path === source);
  const folders = named.length > 0 ? named.map(({ folder }) => folder) : foldersOf(source, options);
  let removed = false;
  for (const folder of folders) {
    if (!(await stat(folder).catch(() => undefined))) continue;
    await onDisk(folder, () => removeEntry(folder));
    removed = true;
  }
  return removed;
}
