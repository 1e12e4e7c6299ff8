import type { Miss } from '../../record/miss.js';
import type { Held } from './contents.js';
import { type FolderTaskOptions, forEachRecord, type RecordProblem } from './folder-task.js';
import type { Records } from './records.js';
import { closeFile } from './stored-file.js';

export interface VerifyReport {
  /** Records that are as they were written, and their bytes. */
  readonly records: number;
  readonly bytes: number;
  /** Damaged or forged. They have been put aside, if that was possible. */
  readonly bad: readonly RecordProblem[];
  /** Of another version, so they cannot be checked. */
  readonly unknown: readonly RecordProblem[];
  /** The file system failed to read them; they may be good. */
  readonly failed: readonly RecordProblem[];
}

/** Reads every byte of every record, a piece at a time. */
export async function verifyRecords(
  records: Records,
  held: readonly Held[],
  options: FolderTaskOptions,
): Promise<VerifyReport> {
  const { signal } = options;
  const bad: RecordProblem[] = [];
  const unknown: RecordProblem[] = [];
  const failed: RecordProblem[] = [];
  let good = 0;
  let bytes = 0;
  await forEachRecord(held, options, async ({ key }) => {
    const miss = await checkOne(records, key, signal);
    if (typeof miss === 'number') {
      good++;
      bytes += miss;
      return;
    }
    const { reason, problem } = miss;
    if (reason === 'corrupt') bad.push({ key, problem });
    else if (reason === 'format') unknown.push({ key, problem });
    // One that is absent went while others were looked at.
    else if (reason !== 'absent') failed.push({ key, problem });
  });
  return { records: good, bytes, bad, unknown, failed };
}

/** The bytes of a good record. */
async function checkOne(
  records: Records,
  key: string,
  signal: AbortSignal | undefined,
): Promise<number | Miss> {
  const opened = await records.open(key, { signal });
  if ('reason' in opened) return opened;
  const { file, reader } = opened;
  try {
    let bytes = 0;
    for await (const piece of reader.readBytes()) bytes += piece.byteLength;
    return bytes;
  } catch (error) {
    return await records.failed(key, file, error, signal);
  } finally {
    await closeFile(file);
  }
}
