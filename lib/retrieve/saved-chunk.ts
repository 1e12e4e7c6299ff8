import type { Chunk } from '../document.js';

/** A chunk as plain data, fit for JSON. */
export interface SavedChunk extends Omit<Chunk, 'tokens'> {
  readonly tokens: readonly number[];
}

export function savedChunk(chunk: Chunk): SavedChunk {
  return { ...chunk, tokens: Array.from(chunk.tokens) };
}

export function restoredChunk(chunk: SavedChunk): Chunk {
  return { ...chunk, tokens: Int32Array.from(chunk.tokens) };
}

export function isSavedChunk(value: unknown): value is SavedChunk {
  if (typeof value !== 'object' || value === null) return false;
  const { id, documentId, text, start, end, tokens, tokenStart } = value as Partial<SavedChunk>;
  return (
    [id, documentId, text].every((field) => typeof field === 'string') &&
    [start, end, tokenStart].every((field) => Number.isInteger(field)) &&
    Array.isArray(tokens)
  );
}
