import { randomUUID } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BadRecord } from '../../record/bad-record.js';
import { absent, type Miss } from '../../record/miss.js';
import { type ReadRecordOptions, RecordReader } from '../../record/read-record.js';
import { isOver } from '../../record/store-options.js';
import { moveAside } from './move-aside.js';
import type { Places } from './places.js';
import type { Quarantine } from './quarantine.js';
import { closeFile, openStored, type OpenStoredOptions, type StoredFile } from './stored-file.js';
import { ifPossible, systemCode } from './system-error.js';

/** A record whose preamble has been checked. Whoever gets it closes its file. */
export interface OpenRecord {
  readonly file: StoredFile;
  readonly reader: RecordReader;
}

export interface RecordsOptions {
  readonly places: Places;
  readonly quarantine: Quarantine;
  readonly reading: Pick<ReadRecordOptions, 'signingKey' | 'finite'>;
  readonly ttlMs: number;
  /** Called once for each damaged record, when it has been put aside if that is possible. */
  readonly onCorrupt: (key: string, problem: string) => void;
  /** Called when a record's time was over and it has been removed. */
  readonly onExpire: (key: string, bytes: number) => void;
}

/** Damaged records that could not be put aside and are remembered. */
const maxRemembered = 1024;

/** Opens records, and decides what to do about those that cannot be read. */
export class Records {
  readonly #options: RecordsOptions;
  /** Which file it was, by key. */
  readonly #damaged = new Map<string, string>();
  #expired = { files: 0, bytes: 0 };

  constructor(options: RecordsOptions) {
    this.#options = options;
  }

  /** What has been removed because its time was over. */
  get expired(): { readonly files: number; readonly bytes: number } {
    return this.#expired;
  }

  /**
   * @param options `whole`: begins to read all of it at once.
   * @throws the signal's reason
   */
  async open(key: string, options: OpenStoredOptions = {}): Promise<OpenRecord | Miss> {
    const { signal } = options;
    const { places, reading } = this.#options;
    let file: StoredFile | undefined;
    let opened: OpenRecord | undefined;
    try {
      const check = (): Promise<void> => places.check(places.shardOf(key));
      const whole = options.whole === true && !this.#damaged.has(key);
      file = await openStored(places.fileOf(key), check, { whole, signal });
      signal?.throwIfAborted();
      if (!file) return absent;
      if (this.#damaged.get(key) === identityOf(file)) {
        return { reason: 'corrupt', problem: 'it was found damaged before' };
      }
      const reader = await RecordReader.open(file.source, { ...reading, key, signal });
      if (isOver(reader.metadata.record, this.#options.ttlMs)) {
        await this.#expire(key, file);
        return absent;
      }
      opened = { file, reader };
      return opened;
    } catch (error) {
      return await this.failed(key, file, error, signal);
    } finally {
      if (file && !opened) await closeFile(file);
    }
  }

  /**
   * What a failure to read a record comes to. One that is damaged is put aside; one of another version is left to
   * whoever can read it; and where the file system failed, the record may be as good as ever. The file must still be
   * open.
   * @throws the signal's reason, and errors that nobody expects
   */
  async failed(
    key: string,
    file: StoredFile | undefined,
    error: unknown,
    signal?: AbortSignal,
  ): Promise<Miss> {
    signal?.throwIfAborted();
    if (error instanceof BadRecord) {
      const { reason, message: problem } = error;
      if (reason === 'corrupt') await this.#putAside(key, file, problem);
      return { reason, problem };
    }
    // A range error says that there is not enough memory for it.
    if (systemCode(error) === undefined && !(error instanceof RangeError)) throw error;
    return { reason: 'failed', problem: String(error) };
  }

  async #putAside(key: string, file: StoredFile | undefined, problem: string): Promise<void> {
    const outcome = await this.#options.quarantine.take(key, file);
    if (outcome === 'stays') {
      const identity = identityOf(file);
      if (this.#damaged.get(key) === identity) return;
      if (this.#damaged.size === maxRemembered) this.#damaged.clear();
      this.#damaged.set(key, identity);
    }
    if (outcome !== 'gone') this.#options.onCorrupt(key, problem);
  }

  async #expire(key: string, { stats: { ino, size } }: StoredFile): Promise<void> {
    const { places, onExpire } = this.#options;
    const aside = join(places.shardOf(key), `.tmp-${randomUUID()}`);
    const moved = moveAside(places.fileOf(key), aside, (stats) => stats.ino === ino);
    if (!(await ifPossible(moved))) return;
    await ifPossible(unlink(aside));
    const { files, bytes } = this.#expired;
    this.#expired = { files: files + 1, bytes: bytes + size };
    onExpire(key, size);
  }
}

function identityOf(file: StoredFile | undefined): string {
  return file ? `${file.stats.ino} ${file.stats.size} ${file.stats.mtimeMs}` : 'no file';
}
