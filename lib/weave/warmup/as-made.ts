import type { ChunkKv } from '../../engine/chunk-kv.js';
import { wordSum } from '../../store/block-sums.js';
import type { ChunkRecord } from '../../store/chunk-store.js';

/** What a record's details say of its keys and values when they were computed. */
interface SumOfKv {
  readonly sum: number;
}

export function sumOf({ data }: ChunkKv): SumOfKv {
  return { sum: wordSum(data) };
}

/**
 * Whether a record's keys and values are still those that were computed, bit for bit: a store may keep them in fewer bits, or get
 * them from one that does. What is computed after others would be another then than in a fresh ingest.
 */
export function isAsMade({ kv, details }: ChunkRecord): boolean {
  const { sum } = (details ?? {}) as Partial<SumOfKv>;
  return sum !== undefined && sum === sumOf(kv).sum;
}
