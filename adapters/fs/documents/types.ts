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
 * Why a file gives no document: its `extension` is not asked for; it is a `link`, or no regular file
 * (`special`); it is `too-large`, `unreadable`, `binary` or `blank`.
 */
export type SkipReason =
  | 'extension'
  | 'link'
  | 'special'
  | 'too-large'
  | 'unreadable'
  | 'binary'
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
  /** Extensions to look for in folders, in any case, with or without the dot; default {@link defaultExtensions}. */
  readonly extensions?: readonly string[];
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
  /** Called for text that could be read only in part, such as invalid UTF-8. */
  readonly onWarning?: ((warning: DocumentWarning) => void) | undefined;
}

/** Which files of a folder become documents, and who hears of the rest. */
export interface LoadOptions extends FindOptions, ReadOptions {
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** Extensions of the files that folders are searched for. */
export const defaultExtensions: readonly string[] = [
  '.md',
  '.markdown',
  '.txt',
  '.text',
  '.rst',
  '.html',
  '.htm',
  '.xhtml',
];

/** Size of the largest file that is read, in bytes. */
export const defaultMaxFileBytes = 64 * 1024 * 1024;
