import { readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { recordFormatVersion } from '../../../lib/store/chunk-key.js';
import { BadRecord } from '../../record/bad-record.js';
import { formatVersionOf, headerBytes } from '../../record/header.js';
import { clearTemporary, type Contents } from './contents.js';
import type { Leases } from './leases.js';
import { type Places, recordName, temporaryName } from './places.js';
import type { Quarantine } from './quarantine.js';
import type { Records } from './records.js';
import { closeFile, openStored, type StoredFile } from './stored-file.js';
import { ifPossible, systemCode } from './system-error.js';

export interface CompactReport {
  /** Files that writers which died left half written. */
  readonly temporaries: number;
  /** Leases whose time was over. */
  readonly leases: number;
  /** Damaged records that were put aside more than a week ago, or are too many. */
  readonly quarantined: number;
  /** Records that outlived the time to live. */
  readonly expired: number;
  /** Records of earlier versions, which kept them elsewhere and in another format. */
  readonly outdated: number;
  /** Empty folders. */
  readonly folders: number;
  /** Bytes that all of these took. */
  readonly bytes: number;
}

export interface CompactParts {
  readonly places: Places;
  readonly contents: Contents;
  readonly quarantine: Quarantine;
  readonly leases: Leases;
  readonly records: Records;
  /** Whether records may have expired. */
  readonly expire: boolean;
  readonly signal: AbortSignal | undefined;
}

interface Removed {
  files: number;
  bytes: number;
}

const quarantineMs = 7 * 24 * 60 * 60_000;

/** Removes what nobody needs any more. Records that are in use, being written or read, are left alone. */
export async function compactFolder(parts: CompactParts): Promise<CompactReport> {
  const { places, contents, quarantine, leases, expire, signal } = parts;
  const shards = (await contents.shards()) ?? [];
  const folders = shards.map((shard) => places.shardOf(shard));
  const temporaries = await clearTemporaries([...folders, places.directory], signal);
  // Version 1 kept the records of all tenants in the store's folder itself.
  const outdated = await clearOutdated([...folders, places.directory], parts);
  const expired = expire ? await clearExpired(parts, shards) : { files: 0, bytes: 0 };
  const damaged = await quarantine.compact(quarantineMs);
  const ended = await leases.compact();
  return {
    temporaries: temporaries.files,
    leases: ended,
    quarantined: damaged.files,
    expired: expired.files,
    outdated: outdated.files,
    folders: await clearEmpty([...folders, places.leases, places.quarantine, places.home]),
    bytes: temporaries.bytes + damaged.bytes + expired.bytes + outdated.bytes,
  };
}

async function clearTemporaries(
  folders: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Removed> {
  const removed = { files: 0, bytes: 0 };
  for (const folder of folders) {
    signal?.throwIfAborted();
    for (const name of (await ifPossible(readdir(folder))) ?? []) {
      if (!temporaryName.test(name)) continue;
      count(removed, await clearTemporary(join(folder, name)));
    }
  }
  return removed;
}

/** Records of earlier versions: their keys are of that version too, so nobody asks for them any more. */
async function clearOutdated(
  folders: readonly string[],
  { contents, signal }: CompactParts,
): Promise<Removed> {
  const removed = { files: 0, bytes: 0 };
  for (const folder of folders) {
    for (const name of (await ifPossible(readdir(folder))) ?? []) {
      signal?.throwIfAborted();
      const key = recordName.exec(name)?.[1];
      const bytes = key === undefined ? undefined : await clearIfOutdated(join(folder, name));
      count(removed, bytes);
      if (key !== undefined && bytes !== undefined) contents.forget(key);
    }
  }
  return removed;
}

async function clearIfOutdated(path: string): Promise<number | undefined> {
  let file: StoredFile | undefined;
  try {
    file = await openStored(path, async () => {});
    if (!file) return undefined;
    const header = new Uint8Array(headerBytes);
    await file.source.read(header, 0);
    if ((formatVersionOf(header) ?? Infinity) >= recordFormatVersion) return undefined;
    await unlink(path);
    return file.stats.size;
  } catch (error) {
    // Whatever it is, it is no record of an earlier version that can be removed.
    if (error instanceof BadRecord || systemCode(error) !== undefined) return undefined;
    throw error;
  } finally {
    if (file) await closeFile(file);
  }
}

/** Those whose time is over go by being opened. */
async function clearExpired(
  { records, contents, signal }: CompactParts,
  shards: readonly string[],
): Promise<Removed> {
  const before = records.expired;
  for (const shard of shards) {
    for (const key of (await contents.keysIn(shard)) ?? []) {
      const opened = await records.open(key, { signal });
      if (!('reason' in opened)) await closeFile(opened.file);
    }
  }
  const { files, bytes } = records.expired;
  return { files: files - before.files, bytes: bytes - before.bytes };
}

/** Only an empty folder can be removed, and whoever is about to write to it makes it again. */
async function clearEmpty(folders: readonly string[]): Promise<number> {
  let removed = 0;
  for (const folder of folders) {
    if (await ifPossible(rmdir(folder).then(() => true))) removed++;
  }
  return removed;
}

function count(removed: Removed, bytes: number | undefined): void {
  if (bytes === undefined) return;
  removed.files++;
  removed.bytes += bytes;
}
