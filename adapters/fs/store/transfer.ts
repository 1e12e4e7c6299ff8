import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { StoreError } from '../../../lib/errors.js';
import { BadRecord } from '../../record/bad-record.js';
import { type ReadRecordOptions, RecordReader } from '../../record/read-record.js';
import type { Held } from './contents.js';
import { type FolderTaskOptions, forEachRecord, type RecordProblem } from './folder-task.js';
import { PendingFile } from './pending-file.js';
import { recordName } from './places.js';
import type { Records } from './records.js';
import { closeFile, openStored } from './stored-file.js';
import { ifPossible, systemCode } from './system-error.js';

/** Records that were copied, their bytes, and what was not copied. */
export interface TransferReport {
  readonly records: number;
  readonly bytes: number;
  readonly problems: readonly RecordProblem[];
}

/** Writes a record's bytes to a file that is just being made. */
export type Fill = (creating: Promise<PendingFile>) => Promise<void>;

/** Keeps a record; false where that cannot be done. */
export type Keep = (key: string, bytes: number, fill: Fill) => Promise<boolean>;

/**
 * Copies records to a folder of files named by their keys, checking every byte.
 * @throws StoreError where the folder cannot be written
 */
export async function exportRecords(
  records: Records,
  held: readonly Held[],
  folder: string,
  options: FolderTaskOptions,
): Promise<TransferReport> {
  const { signal } = options;
  const report = newReport();
  await forEachRecord(held, options, async ({ key, bytes }) => {
    const opened = await records.open(key, { signal });
    if ('reason' in opened) {
      // One that is absent went while others were copied.
      if (opened.reason !== 'absent') report.problems.push({ key, problem: opened.problem });
      return;
    }
    const { file, reader } = opened;
    try {
      await writeCopy(reader, folder, key);
      report.records++;
      report.bytes += bytes;
    } catch (error) {
      if (error instanceof StoreError) throw error;
      const { problem } = await records.failed(key, file, error, signal);
      report.problems.push({ key, problem });
    } finally {
      await closeFile(file);
    }
  });
  return report;
}

/**
 * Copies records from a folder that {@link exportRecords} wrote, or anyone else: nothing in it is trusted.
 * @throws StoreError where the folder cannot be read
 */
export async function importRecords(
  folder: string,
  reading: Pick<ReadRecordOptions, 'signingKey'>,
  keep: Keep,
  options: FolderTaskOptions,
): Promise<TransferReport> {
  const { signal } = options;
  const report = newReport();
  await forEachRecord(await recordsIn(folder), options, async ({ key, path }) => {
    try {
      const bytes = await readCopy(path, { ...reading, key, finite: true, signal }, keep);
      if (bytes === undefined) {
        report.problems.push({ key, problem: 'there is no room for it, or it cannot be written' });
        return;
      }
      report.records++;
      report.bytes += bytes;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof BadRecord) && systemCode(error) === undefined) throw error;
      report.problems.push({ key, problem: (error as Error).message });
    }
  });
  return report;
}

async function writeCopy(reader: RecordReader, folder: string, key: string): Promise<void> {
  const prepare = async (): Promise<void> => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  };
  const path = join(folder, `${key}.kv`);
  const copy = await writing(folder, PendingFile.create(path, prepare));
  try {
    let at = 0;
    for await (const piece of reader.readBytes()) {
      await writing(folder, copy.write(piece, at));
      at += piece.byteLength;
    }
    await writing(folder, copy.finish());
    await writing(folder, copy.move());
  } catch (error) {
    await copy.discard();
    throw error;
  }
}

/** Undefined where it was not kept. */
async function readCopy(
  path: string,
  reading: ReadRecordOptions,
  keep: Keep,
): Promise<number | undefined> {
  const file = await openStored(path, async () => {});
  if (!file) throw new BadRecord('it is gone');
  try {
    const reader = await RecordReader.open(file.source, reading);
    const { bytes } = reader.layout;
    const kept = await keep(reader.metadata.key, bytes, async (creating) => {
      const copy = await creating;
      let at = 0;
      for await (const piece of reader.readBytes()) {
        await copy.write(piece, at);
        at += piece.byteLength;
      }
    });
    return kept ? bytes : undefined;
  } finally {
    await closeFile(file);
  }
}

async function recordsIn(folder: string) {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    throw new StoreError(`Cannot read the folder ${folder}: ${String(error)}`, { cause: error });
  }
  const found: { key: string; path: string; bytes: number }[] = [];
  for (const name of names) {
    const key = recordName.exec(name)?.[1];
    if (key === undefined) continue;
    const path = join(folder, name);
    const stats = await ifPossible(lstat(path));
    if (stats) found.push({ key, path, bytes: stats.size });
  }
  return found;
}

async function writing<T>(folder: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw new StoreError(`Cannot write to the folder ${folder}: ${String(error)}`, {
      cause: error,
    });
  }
}

function newReport() {
  return { records: 0, bytes: 0, problems: [] as RecordProblem[] };
}
