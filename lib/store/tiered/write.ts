import { deferred, type Deferred } from '../../deferred.js';
import type { ChunkRecord, DeleteOptions } from '../chunk-store.js';
import { recordBytes } from '../record.js';
import type { Outcome } from './attempt.js';

/** What is to happen to a key in one tier. */
export interface Write {
  readonly key: string;
  /** Absent where the record is to be deleted. */
  readonly record?: ChunkRecord;
  readonly bytes: number;
  /**
   * `through`: its caller waits for it. `behind`: it has its place in the queue. `promotion`: like that, and
   * nothing is lost without it.
   */
  readonly manner: 'through' | 'behind' | 'promotion';
  readonly signal?: AbortSignal | undefined;
  readonly deleteOptions?: DeleteOptions | undefined;
  /** Whether the tier kept it, or had what was to be deleted. */
  readonly done: Deferred<Outcome<boolean>>;
  /** Resolves when it is begun, or not needed any more. */
  readonly turn: Deferred<void>;
}

export function newWrite(
  key: string,
  parts: Pick<Write, 'manner'> & Partial<Pick<Write, 'record' | 'signal' | 'deleteOptions'>>,
): Write {
  const { record } = parts;
  const done = deferred<Outcome<boolean>>();
  // Nobody may be listening.
  done.promise.catch(() => {});
  return { key, ...parts, bytes: record ? recordBytes(record) : 0, done, turn: deferred() };
}
