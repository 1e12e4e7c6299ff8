/**
 * What can go wrong while one source is tried. These stay inside this folder: the caller sees one
 * `ModelSourceError` that sums them up.
 */

/** No answer: the name is unknown, nobody listens, the connection broke or stayed silent. */
export class NetworkFailure extends Error {
  /** False when trying again cannot help, for example after a refused connection. */
  readonly transient: boolean;

  constructor(message: string, options: { cause?: unknown; transient?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.name = 'NetworkFailure';
    this.transient = options.transient ?? true;
  }
}

/** An answer with a status that is no success. */
export class StatusFailure extends Error {
  readonly status: number;
  /** From `Retry-After`; undefined when the server says nothing. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, message: string, retryAfterMs?: number) {
    super(message);
    this.name = 'StatusFailure';
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  get transient(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** What came is not what was asked for: another hash, no model file, a broken archive. */
export class ContentFailure extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ContentFailure';
  }
}

/** What came has another hash than it should have. */
export class HashFailure extends ContentFailure {
  constructor(message: string) {
    super(message);
    this.name = 'HashFailure';
  }
}

/** The cache folder cannot take the file. Another source would fail the same way. */
export class DiskFailure extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'DiskFailure';
  }
}

/** A system error's code, for example `EACCES`; undefined when there is none. */
export function codeOf(error: unknown): string | undefined {
  const code =
    typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
