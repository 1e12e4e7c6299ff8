import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ensureRoom, explainDisk, fileSize, writeWhole } from './disk.js';
import { ContentFailure, NetworkFailure, StatusFailure } from './failures.js';
import { type HttpResponse, type Network, type NetworkAccess, statusFailure } from './network.js';
import { backoffMs, pause } from './pause.js';

export interface DownloadTask {
  readonly network: Network;
  readonly access?: NetworkAccess | undefined;
  readonly url: URL;
  readonly authorization?: string | undefined;
  /** Where the bytes go. They stay there when the download breaks off. */
  readonly path: string;
  /** Bytes already at `path` are taken over only when they were fetched for the same identity. */
  readonly identity: string;
  /** Bytes in all, when known beforehand. */
  readonly expectedBytes?: number | undefined;
  /** True when a hash will be checked afterwards, so that bytes may be joined without an ETag. */
  readonly hashFollows: boolean;
  /** Attempts that bring no more than was there before. */
  readonly retries: number;
  /** Try again when there is not even a first answer. */
  readonly patient: boolean;
  readonly signal: AbortSignal | undefined;
  /** Sees every good answer before its content is read; may throw. */
  readonly inspect?: (response: HttpResponse) => void;
  readonly onTotal?: (bytes: number | undefined) => void;
  readonly onStart?: (bytesOnDisk: number) => void;
  readonly onBytes?: (bytes: number) => void;
  readonly onRetry?: (message: string) => void;
}

/** What tells one state of a file on a server from another. */
interface Validators {
  readonly etag?: string | undefined;
  readonly modified?: string | undefined;
}

interface Notes extends Validators {
  readonly identity: string;
  readonly total?: number | undefined;
}

/**
 * Brings the bytes of a URL to a file, and takes up again what an earlier attempt left there.
 *
 * @returns whether bytes of an earlier answer were joined with those of a later one.
 * @throws NetworkFailure, StatusFailure, ContentFailure, DiskFailure.
 */
export async function download(task: DownloadTask): Promise<{ bytes: number; joined: boolean }> {
  const run = new Download(task);
  try {
    return await run.run();
  } catch (error) {
    task.signal?.throwIfAborted();
    throw explainDisk(error, dirname(task.path));
  }
}

/** Removes what {@link download} left at `path`. */
export async function discardDownload(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(notesPath(path), { force: true });
}

function notesPath(path: string): string {
  return `${path}.json`;
}

class Download {
  readonly #task: DownloadTask;
  #notes: Notes;
  #have = 0;
  #joined = false;
  #answered = false;

  constructor(task: DownloadTask) {
    this.#task = task;
    this.#notes = { identity: task.identity, total: task.expectedBytes };
  }

  async run(): Promise<{ bytes: number; joined: boolean }> {
    await this.#takeOver();
    const task = this.#task;
    let failures = 0;
    let best = this.#have;
    for (;;) {
      if (this.#isComplete()) return { bytes: this.#have, joined: this.#joined };
      try {
        await this.#attempt();
        return { bytes: this.#have, joined: this.#joined };
      } catch (error) {
        task.signal?.throwIfAborted();
        failures = this.#have > best ? 1 : failures + 1;
        best = Math.max(best, this.#have);
        if (!this.#mayRetry(error) || failures > task.retries) throw error;
        const wait = error instanceof StatusFailure ? error.retryAfterMs : undefined;
        task.onRetry?.(`${(error as Error).message}; trying again`);
        await pause(wait ?? backoffMs(failures), task.signal);
      }
    }
  }

  #mayRetry(error: unknown): boolean {
    if (error instanceof StatusFailure)
      return error.transient && (this.#task.patient || this.#have > 0);
    if (!(error instanceof NetworkFailure)) return false;
    // A server that was there a moment ago may come back, even if it refuses now.
    return this.#answered || (error.transient && this.#task.patient);
  }

  #isComplete(): boolean {
    return this.#notes.total !== undefined && this.#have > 0 && this.#have === this.#notes.total;
  }

  /** Bytes of an earlier process count when it is certain that more of the same can follow. */
  async #takeOver(): Promise<void> {
    const { path, identity, hashFollows, expectedBytes } = this.#task;
    const size = (await fileSize(path)) ?? 0;
    const notes = size > 0 ? await readNotes(path) : undefined;
    const sameTotal =
      expectedBytes === undefined || notes?.total === undefined || notes.total === expectedBytes;
    if (
      notes?.identity === identity &&
      sameTotal &&
      (hashFollows || validatorOf(notes) !== undefined) &&
      (notes.total === undefined || size <= notes.total)
    ) {
      this.#notes = { ...notes, total: notes.total ?? expectedBytes };
      // Without a hash, the server is to say once more that this is its file: the last byte is asked for again.
      this.#have = hashFollows || size !== this.#notes.total ? size : size - 1;
      this.#joined = true;
    } else if (size > 0) {
      await discardDownload(path);
    }
    this.#task.onTotal?.(this.#notes.total);
    this.#task.onStart?.(this.#have);
  }

  async #attempt(): Promise<void> {
    const { network, access, url, authorization, hashFollows, signal } = this.#task;
    const validator = validatorOf(this.#notes);
    if (this.#have > 0 && validator === undefined && !hashFollows) await this.#restart();
    const response = await network.get(url, {
      access,
      authorization,
      signal,
      ...(this.#have > 0 && {
        headers: {
          range: `bytes=${this.#have}-`,
          ...(validator !== undefined && { 'if-range': validator }),
        },
      }),
    });
    try {
      this.#answered = true;
      await this.#receive(response);
    } finally {
      response.close();
    }
  }

  async #receive(response: HttpResponse): Promise<void> {
    const { inspect } = this.#task;
    const { status, headers } = response;
    if (status === 416 && this.#have > 0) {
      await this.#restart();
      throw new NetworkFailure('the file changed on the server');
    }
    if (status !== 200 && status !== 206) throw statusFailure(response);
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw new ContentFailure(`${response.url.host} sent the file ${encoding}-encoded, unasked`);
    }
    inspect?.(response);
    const validators = validatorsOf(response);
    let total: number | undefined;
    if (status === 206) {
      total = await this.#continueAt(response, validators);
    } else {
      if (this.#have > 0) await this.#restart();
      const length = Number(headers['content-length']);
      total = Number.isSafeInteger(length) && headers['content-length'] ? length : undefined;
    }
    const { expectedBytes } = this.#task;
    if (expectedBytes !== undefined && total !== undefined && total !== expectedBytes) {
      throw new ContentFailure(
        `${response.url.host} has ${total} bytes where ${expectedBytes} were announced`,
      );
    }
    // A 206 need not repeat them.
    const before: Validators = status === 206 ? this.#notes : {};
    this.#notes = {
      identity: this.#task.identity,
      etag: validators.etag ?? before.etag,
      modified: validators.modified ?? before.modified,
      total: total ?? expectedBytes,
    };
    this.#task.onTotal?.(this.#notes.total);
    await ensureRoom(dirname(this.#task.path), (this.#notes.total ?? 0) - this.#have);
    await writeWhole(notesPath(this.#task.path), JSON.stringify(this.#notes));
    await this.#append(response);
    const { total: known } = this.#notes;
    if (known !== undefined && this.#have !== known) {
      throw new NetworkFailure(`${response.url.host} sent ${this.#have} of ${known} bytes`);
    }
  }

  /** Checks that a 206 goes on exactly where the file ends, and tells the size of the whole. */
  async #continueAt(response: HttpResponse, now: Validators): Promise<number> {
    const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers['content-range'] ?? '');
    const before = this.#notes;
    const changed = differ(before.etag, now.etag) || differ(before.modified, now.modified);
    if (!match || Number(match[1]) !== this.#have || (changed && this.#have > 0)) {
      await this.#restart();
      throw new NetworkFailure(`${response.url.host} sent another part than was asked for`);
    }
    if (this.#have > 0) this.#joined = true;
    return match[3] === '*' ? Number(match[2]) + 1 : Number(match[3]);
  }

  async #restart(): Promise<void> {
    await discardDownload(this.#task.path);
    this.#have = 0;
    this.#joined = false;
    this.#notes = { identity: this.#task.identity, total: this.#task.expectedBytes };
    this.#task.onStart?.(0);
  }

  async #append(response: HttpResponse): Promise<void> {
    const { path, onBytes } = this.#task;
    const total = this.#notes.total ?? Number.POSITIVE_INFINITY;
    const file: FileHandle = await open(path, this.#have > 0 ? 'r+' : 'w');
    try {
      for await (const chunk of response.body) {
        if (this.#have + chunk.length > total) {
          await discardDownload(path);
          throw new ContentFailure(`${response.url.host} sent more bytes than it announced`);
        }
        await writeAll(file, chunk, this.#have);
        this.#have += chunk.length;
        onBytes?.(chunk.length);
      }
    } finally {
      await file.close();
    }
  }
}

/** `write` may take fewer bytes than it was given. */
export async function writeAll(
  file: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function readNotes(path: string): Promise<Notes | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(notesPath(path), 'utf8'));
    if (typeof value !== 'object' || value === null || !('identity' in value)) return undefined;
    return value as Notes;
  } catch {
    return undefined;
  }
}

/** What `If-Range` may carry: a weak ETag does not promise the same bytes. */
function validatorsOf(response: HttpResponse): Validators {
  const { etag, 'last-modified': modified } = response.headers;
  return { etag: etag?.startsWith('W/') ? undefined : etag, modified };
}

function validatorOf({ etag, modified }: Validators): string | undefined {
  return etag ?? modified;
}

function differ(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}
