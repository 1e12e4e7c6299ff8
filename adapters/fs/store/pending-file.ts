import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from './places.js';
import { ifPossible, ifThere } from './system-error.js';

export interface PendingFileOptions {
  /** Outlasts a loss of power once {@link PendingFile.settled}. Default false. */
  readonly durable?: boolean;
}

const maxAttempts = 10;

/**
 * A file that is written beside the place that it is for, and moved there as a whole: whoever looks sees what was
 * there before, or all of the new one. One that is left behind is known by its name.
 */
export class PendingFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  readonly #durable: boolean;
  #open = true;

  /**
   * @param prepare makes sure of the folder. It is asked again, with the number of the attempt, while the folder is
   * not there: others may remove it at any time, as long as it is empty.
   */
  static async create(
    path: string,
    prepare: (attempt: number) => Promise<void>,
    { durable = false }: PendingFileOptions = {},
  ): Promise<PendingFile> {
    const temporary = join(dirname(path), `.tmp-${randomUUID()}`);
    for (let attempt = 0; ; attempt++) {
      const opening = prepare(attempt).then(() => open(temporary, 'wx', 0o600));
      const handle = await (attempt < maxAttempts ? ifThere(opening) : opening);
      if (handle) return new PendingFile(path, temporary, handle, durable);
    }
  }

  private constructor(path: string, temporary: string, handle: FileHandle, durable: boolean) {
    this.#path = path;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#durable = durable;
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    let done = 0;
    while (done < bytes.byteLength) {
      const left = bytes.byteLength - done;
      done += (await this.#handle.write(bytes, done, left, at + done)).bytesWritten;
    }
  }

  /** All is written. */
  async finish(): Promise<void> {
    if (this.#durable) await this.#handle.sync();
    this.#open = false;
    await this.#handle.close();
  }

  /** Takes its place. */
  async move(): Promise<void> {
    await rename(this.#temporary, this.#path);
  }

  /** Once moved: its name is on the disk too, if it is durable. */
  async settled(): Promise<void> {
    if (this.#durable) await syncFolder(dirname(this.#path));
  }

  /** Leaves nothing behind of one that was not moved. */
  async discard(): Promise<void> {
    if (this.#open) await ifPossible(this.#handle.close());
    this.#open = false;
    await ifPossible(unlink(this.#temporary));
  }
}
