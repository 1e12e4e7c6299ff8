import { ChunkweaveError, VectorIndexError } from '../../lib/errors.js';
import { attempt } from '../../lib/store/tiered/attempt.js';

/** What sends statements: a `Pool` or `Client` of `pg`, a `PGlite`, or anything else of this form. */
export interface PgClientLike {
  query(text: string, parameters?: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A failure that the database itself told of, with its code. */
export class StatementError extends Error {
  /** SQLSTATE, for example `23505`; empty where there is none. */
  readonly sqlState: string;

  constructor(error: unknown) {
    super(error instanceof Error && error.message !== '' ? error.message : String(error), {
      cause: error,
    });
    const { code } = (error ?? {}) as { code?: unknown };
    this.sqlState = typeof code === 'string' ? code : '';
  }
}

/** Sends statements, each within a deadline. */
export class Statements {
  readonly #client: PgClientLike;
  readonly #timeoutMs: number;

  constructor(client: PgClientLike, timeoutMs: number) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Rows of a statement.
   * @throws StatementError where it failed; VectorIndexError where it is late; the signal's reason
   */
  async rows(
    text: string,
    parameters: readonly string[] = [],
    { signal }: SendOptions = {},
  ): Promise<readonly Row[]> {
    let failure: unknown;
    const { outcome } = attempt(
      async () => {
        try {
          return (await this.#client.query(text, [...parameters])).rows;
        } catch (error) {
          failure = error;
          throw error;
        }
      },
      { deadlineMs: this.#timeoutMs, signal },
    );
    const result = await outcome;
    if (result.ok) return result.value as readonly Row[];
    if (result.reason === 'failed') throw new StatementError(failure);
    throw new VectorIndexError(
      `The database did not answer within ${this.#timeoutMs} ms. It may still do what it was asked to. Look whether it is overloaded, or give a longer timeoutMs.`,
      { reason: 'late' },
    );
  }
}

export type Row = Readonly<Record<string, unknown>>;

/** @throws VectorIndexError for a failure of the database; others as they are. */
export async function orIndexError<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof StatementError) || ChunkweaveError.isInstance(error)) throw error;
    throw new VectorIndexError(`The database could not ${what}: ${error.message}.`, {
      cause: error.cause,
    });
  }
}
