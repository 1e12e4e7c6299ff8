import type { Held } from './contents.js';

/** How far going through the records of a folder has come. */
export interface FolderProgress {
  readonly records: number;
  readonly bytes: number;
  readonly totalRecords: number;
  readonly totalBytes: number;
}

export interface FolderTaskOptions {
  readonly signal?: AbortSignal;
  /** Called after each record. */
  readonly onProgress?: (progress: FolderProgress) => void;
}

/** A record that could not be used. */
export interface RecordProblem {
  readonly key: string;
  /** For people. */
  readonly problem: string;
}

/** Takes records one after another, tells how far it came, and stops between two of them. */
export async function forEachRecord<T extends Pick<Held, 'bytes'>>(
  all: readonly T[],
  { signal, onProgress }: FolderTaskOptions,
  work: (one: T) => Promise<void>,
): Promise<void> {
  const totalBytes = all.reduce((sum, one) => sum + one.bytes, 0);
  let records = 0;
  let bytes = 0;
  for (const one of all) {
    signal?.throwIfAborted();
    await work(one);
    records++;
    bytes += one.bytes;
    onProgress?.({ records, bytes, totalRecords: all.length, totalBytes });
  }
}
