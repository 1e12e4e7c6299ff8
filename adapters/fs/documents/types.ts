import type { RecordOptions } from './record-options.js';

/** A file that may become a document, as the file system describes it. */
export interface DocumentFile {
  /** Path relative to the folder that was asked for, with `/` on every system; the name for a single file. */
  readonly id: string;
  /** Absolute path. */
  readonly path: string;
  readonly bytes: number;
  /** Last change, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Size and time of last change: an equal fingerprint means that the file need not be read again. */
  readonly fingerprint: string;
}

/**
 * Why a file gives no document: its `extension` is not asked for; it is `excluded` by a pattern, with all that is in it
 * if it is a folder; it is a `link`, or no regular file (`special`); it is `too-large`, `unreadable`, `binary`,
 * `malformed` (no such PDF, JSON or CSV as its name says), `encrypted` or `blank`; or it needs a package that is not
 * installed (`missing-package`).
 */
export type SkipReason =
  | 'extension'
  | 'excluded'
  | 'link'
  | 'special'
  | 'too-large'
  | 'unreadable'
  | 'binary'
  | 'malformed'
  | 'encrypted'
  | 'missing-package'
  | 'blank';

export interface SkippedFile {
  readonly path: string;
  readonly reason: SkipReason;
  /** One sentence for people. */
  readonly detail: string;
}

/** A file that was read only in part, and why, in one sentence for people. */
export interface DocumentWarning {
  readonly path: string;
  readonly detail: string;
}

/** How many files of a folder were looked at, and how many bytes they have. */
export interface LoadProgress {
  readonly filesDone: number;
  readonly filesTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface FindOptions {
  /** Extensions to look for in folders, in any case, with or without the dot; default `defaultExtensions`. */
  readonly extensions?: readonly string[];
  /**
   * Read only files that one of these patterns fits, written as in `.gitignore`, from the folder that is read: `*.pdf`,
   * `docs/`, `!drafts/`. An extension that one names, as in `*.log`, is read too. Default all.
   */
  readonly include?: readonly string[] | undefined;
  /** Read no file or folder that one of these patterns fits; goes before `include`. Default none. */
  readonly exclude?: readonly string[] | undefined;
  /**
   * Names of files in the folder, and in those inside it, whose patterns leave out what is in their folder; default
   * `.gitignore` and `.chunkweaveignore`, of which the latter has the last word. Ignore files of folders above are not read.
   */
  readonly ignoreFiles?: readonly string[] | undefined;
  /** Follow symbolic links inside the folder, each target once; default false. */
  readonly followLinks?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called for each file that is left out. Hidden entries and `node_modules` are left out silently. */
  readonly onSkip?: ((file: SkippedFile) => void) | undefined;
}

export interface ReadOptions {
  /** Larger files are skipped; default 64 MB (67,108,864 bytes). */
  readonly maxFileBytes?: number;
  readonly signal?: AbortSignal | undefined;
  /** How rows of CSV, and records of JSON Lines and of lists in JSON, become documents. */
  readonly records?: RecordOptions | undefined;
  /** Called for what could be read only in part: invalid UTF-8, bad rows, pages without text. */
  readonly onWarning?: ((warning: DocumentWarning) => void) | undefined;
}

/** Which files of a folder become documents, and who hears of the rest. */
export interface LoadOptions extends FindOptions, ReadOptions {
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** Size of the largest file that is read, in bytes. */
export const defaultMaxFileBytes = 64 * 1024 * 1024;
