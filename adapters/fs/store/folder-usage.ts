import { lstat, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';

interface RecordFile {
  readonly path: string;
  readonly bytes: number;
  /** The last use: reading a record sets it. */
  readonly mtimeMs: number;
}

export interface FolderUsageOptions {
  readonly directory: string;
  readonly maxBytes: number;
  readonly isRecord: (name: string) => boolean;
  readonly isTemporary: (name: string) => boolean;
}

/** A temporary file this old was left by a process that died. */
const abandonedMs = 10 * 60_000;

/**
 * How full a folder is, and what to remove first. Other processes write there too, so the count is renewed
 * from the folder itself now and then. Calls must not overlap.
 */
export class FolderUsage {
  readonly #options: FolderUsageOptions;
  /** Oldest last, so that removing pops. */
  #oldest: RecordFile[] = [];
  #bytes = 0;
  #addedSinceScan = Infinity;

  constructor(options: FolderUsageOptions) {
    this.#options = options;
  }

  /** Removes the least recently used records until `bytes` more fit. */
  async makeRoom(bytes: number): Promise<{ removed: number; fits: boolean }> {
    const { maxBytes } = this.#options;
    if (maxBytes === Infinity) return { removed: 0, fits: true };
    if (this.#addedSinceScan > maxBytes / 8) await this.scan();
    let removed = 0;
    while (this.#bytes + bytes > maxBytes) {
      const file = this.#oldest.pop();
      if (!file) {
        if (this.#addedSinceScan === 0) break;
        await this.scan();
        continue;
      }
      if (await this.#remove(file)) removed++;
    }
    return { removed, fits: this.#bytes + bytes <= maxBytes };
  }

  /** Tells of a record written (or, below 0, removed). */
  added(bytes: number): void {
    this.#bytes += bytes;
    this.#addedSinceScan += Math.max(0, bytes);
  }

  async scan(): Promise<{ records: number; bytes: number }> {
    const files: RecordFile[] = [];
    for (const name of await namesIn(this.#options.directory)) {
      const path = join(this.#options.directory, name);
      if (this.#options.isRecord(name)) {
        const file = await describe(path);
        if (file) files.push(file);
      } else if (this.#options.isTemporary(name)) {
        const file = await describe(path);
        if (file && Date.now() - file.mtimeMs > abandonedMs) await removeFile(path);
      }
    }
    files.sort((a, b) => b.mtimeMs - a.mtimeMs);
    this.#oldest = files;
    this.#bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    this.#addedSinceScan = 0;
    return { records: files.length, bytes: this.#bytes };
  }

  async #remove(file: RecordFile): Promise<boolean> {
    const now = await describe(file.path);
    // Used since the scan: the next scan puts it in its new place.
    if (now && now.mtimeMs !== file.mtimeMs) {
      this.#addedSinceScan += now.bytes;
      return false;
    }
    const removed = now !== undefined && (await removeFile(file.path));
    if (removed || !now) this.#bytes -= file.bytes;
    return removed;
  }
}

export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch {
    return [];
  }
}

/** True when the file was there and is gone now. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch {
    return false;
  }
}

async function describe(path: string): Promise<RecordFile | undefined> {
  try {
    const { size, mtimeMs } = await lstat(path);
    return { path, bytes: size, mtimeMs };
  } catch {
    return undefined;
  }
}
