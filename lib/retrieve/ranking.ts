import { InvalidArgumentError } from '../errors.js';
import { checkFilter } from './filter.js';
import type { ScoredChunk, SearchOptions } from './retriever.js';

/**
 * What every retriever asks of a search before it begins.
 * @throws InvalidArgumentError for a `k` that is no whole number of at least 1, or a filter that cannot be
 */
export function assertSearch({ k, filter, signal }: SearchOptions): void {
  assertCount('k', k);
  if (filter !== undefined) checkFilter(filter);
  signal?.throwIfAborted();
}

/** @throws InvalidArgumentError */
export function assertCount(name: string, value: number, least = 1): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new InvalidArgumentError(
    `${name} must be a whole number of at least ${least}, not ${value}.`,
  );
}

/** @throws InvalidArgumentError */
export function assertShare(name: string, value: number): void {
  if (value >= 0 && value <= 1) return;
  throw new InvalidArgumentError(`${name} must be a number from 0 to 1, not ${value}.`);
}

/**
 * Best first; equal scores by document id and place. Scores are compared in single precision: their last digits depend
 * on the order in which chunks came and went, and results must not.
 */
export function byScoreThenPlace(a: ScoredChunk, b: ScoredChunk): number {
  const byScore = Math.fround(b.score) - Math.fround(a.score);
  if (byScore !== 0) return byScore;
  if (a.chunk.documentId !== b.chunk.documentId) {
    return a.chunk.documentId < b.chunk.documentId ? -1 : 1;
  }
  return a.chunk.start - b.chunk.start || (a.chunk.id < b.chunk.id ? -1 : 1);
}
