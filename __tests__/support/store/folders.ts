import { afterAll } from '@jest/globals';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FolderStoreOptions } from '../../../adapters/fs/index.js';
import { accessName, type ChunkRecord, type ChunkStore } from '../../../lib/index.js';

const folders: string[] = [];

/** A folder that is gone after the tests of the file. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-store-'));
  folders.push(folder);
  return folder;
}

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

/** Where the records of a tenant and label are. */
export async function homeOf(options: FolderStoreOptions): Promise<string> {
  return join(options.directory, await accessName(options));
}

/** Where a record is. */
export async function fileOf(options: FolderStoreOptions, key: string): Promise<string> {
  return join(await homeOf(options), key.slice(0, 2), `${key}.kv`);
}

/** All files and links below a folder, by their paths in it. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

export async function keysOf(store: ChunkStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list()) keys.push(key);
  return keys.sort();
}

/** What a store gives, quickly compared: matchers are slow on long arrays. */
export function isSame(found: ChunkRecord | undefined, expected: ChunkRecord): boolean {
  return (
    found !== undefined &&
    Buffer.compare(found.kv.data, expected.kv.data) === 0 &&
    found.kv.tokens.join() === expected.kv.tokens.join() &&
    found.created === expected.created
  );
}

/** Long enough for a file's time to differ. */
export function tick(milliseconds = 12): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
