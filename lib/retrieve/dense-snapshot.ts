import { isSavedChunk, type SavedChunk } from './saved-chunk.js';

export const denseFormat = 'chunkweave-dense';
export const denseVersion = 1;

/** The chunks of a saved index, without their vectors. Plain data, fit for JSON. */
export interface DenseSnapshot {
  readonly format: typeof denseFormat;
  readonly version: typeof denseVersion;
  /** Of the embedder, and of how passages were put into their context. */
  readonly embedder: string;
  readonly fields: readonly string[];
  readonly chunks: readonly SavedChunk[];
}

export function isDenseSnapshot(value: unknown): value is DenseSnapshot {
  if (typeof value !== 'object' || value === null) return false;
  const one = value as Partial<DenseSnapshot>;
  return (
    one.format === denseFormat &&
    one.version === denseVersion &&
    typeof one.embedder === 'string' &&
    Array.isArray(one.fields) &&
    Array.isArray(one.chunks) &&
    one.chunks.every(isSavedChunk)
  );
}
