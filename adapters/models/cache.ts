import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSize, writeWhole } from './disk.js';
import { parseRemote, type RemoteSource } from './source.js';
import type { ModelLicence, Verification } from './types.js';

/** What is known of a file in the cache; kept beside it as `model.json`. */
export interface CacheRecord {
  readonly version: 1;
  readonly fileName: string;
  readonly source: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly verification: Verification;
  readonly alias?: string | undefined;
  readonly licence?: ModelLicence | undefined;
  /** ISO 8601. */
  readonly fetched: string;
}

export interface CacheEntry extends CacheRecord {
  /** Folder of this model alone. */
  readonly folder: string;
  readonly path: string;
}

const recordName = 'model.json';

/**
 * The folder of a model's file: named by the hash of the content where one is pinned, so that all sources of it share
 * one file, else by the source.
 */
export function entryFolder(
  root: string,
  source: RemoteSource,
  sha256: string | undefined,
): string {
  return join(
    root,
    sha256 === undefined
      ? `source-${source.identity.slice(0, 24)}`
      : `sha256-${sha256.slice(0, 24)}`,
  );
}

/** The model in `folder`, when its file is there in full length and is the one with `sha256`, if that is given. */
export async function readEntry(folder: string, sha256?: string): Promise<CacheEntry | undefined> {
  const record = await readRecord(folder);
  if (!record || (sha256 !== undefined && record.sha256 !== sha256)) return undefined;
  const path = join(folder, record.fileName);
  return (await fileSize(path)) === record.bytes ? { ...record, folder, path } : undefined;
}

export async function writeEntry(folder: string, record: CacheRecord): Promise<CacheEntry> {
  await writeWhole(join(folder, recordName), `${JSON.stringify(record, null, 2)}\n`);
  return { ...record, folder, path: join(folder, record.fileName) };
}

/** Removes what broken attempts left beside the model; for the holder of the folder's lock. */
export async function clearLeftovers({ folder, fileName }: CacheEntry): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name === fileName || name === recordName || /^lock(\.|$)/.test(name)) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

export async function removeEntry(folder: string): Promise<void> {
  // The record first: what is left of an interrupted removal must not look like a model.
  await rm(join(folder, recordName), { force: true });
  await rm(folder, { recursive: true, force: true });
}

/** All whole models, by file name. */
export async function listEntries(root: string): Promise<CacheEntry[]> {
  const names = await readdir(root).catch(() => []);
  const entries = await Promise.all(
    names
      .filter((name) => /^(sha256|source)-/.test(name))
      .map((name) => readEntry(join(root, name))),
  );
  return entries
    .filter((entry) => entry !== undefined)
    .toSorted((a, b) => a.fileName.localeCompare(b.fileName));
}

async function readRecord(folder: string): Promise<CacheRecord | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(folder, recordName), 'utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is CacheRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { version, fileName, sha256, bytes, source, verification } = value as Partial<
    Record<keyof CacheRecord, unknown>
  >;
  return (
    version === 1 &&
    typeof fileName === 'string' &&
    !/[\\/]/.test(fileName) &&
    typeof sha256 === 'string' &&
    typeof bytes === 'number' &&
    typeof source === 'string' &&
    ['pinned', 'published', 'none'].includes(verification as string)
  );
}

/** The sources of an alias or of a text, each with the folder that its file would lie in. */
export function candidates(
  root: string,
  sources: readonly string[],
  sha256: string | undefined,
): {
  readonly source: RemoteSource;
  readonly sha256: string | undefined;
  readonly folder: string;
}[] {
  return sources.map((text) => {
    const source = parseRemote(text);
    const wanted = sha256 ?? source.sha256;
    return { source, sha256: wanted, folder: entryFolder(root, source, wanted) };
  });
}
