import type { Chunk } from '../../../lib/document.js';
import { flatIndex } from '../../../lib/retrieve/flat-index.js';
import type { Retriever, ScoredChunk } from '../../../lib/retrieve/retriever.js';
import type { VectorIndex } from '../../../lib/retrieve/vector-index.js';
import { HashingEmbedder } from '../../../lib/testing/fake/hashing-embedder.js';

export function chunk(id: string, text: string, more: Partial<Chunk> = {}): Chunk {
  const tokens = Int32Array.of(1, 2, 3);
  return { id, documentId: 'd', start: 0, end: text.length, text, tokens, tokenStart: 0, ...more };
}

/** A document cut into pieces of words, one token each, with nothing between them. */
export function cut(documentId: string, pieces: readonly string[]): Chunk[] {
  let start = 0;
  let tokenStart = 0;
  return pieces.map((text, i) => {
    const count = text.trim().split(/\s+/).length;
    const made: Chunk = {
      id: `${documentId}#${i}`,
      documentId,
      start,
      end: start + text.length,
      text,
      tokens: Int32Array.from({ length: count }, (_, j) => tokenStart + j),
      tokenStart,
    };
    start = made.end;
    tokenStart += count;
    return made;
  });
}

export function scored(...hits: readonly (readonly [Chunk, number])[]): ScoredChunk[] {
  return hits.map(([chunk, score]) => ({ chunk, score }));
}

export function idsOf(hits: readonly ScoredChunk[]): string[] {
  return hits.map(({ chunk }) => chunk.id);
}

/** Finds the same for every question. */
export function fixedRetriever(hits: readonly ScoredChunk[]): Retriever {
  return {
    add: async () => {},
    remove: async () => {},
    search: async (_, { k, signal }) => {
      signal?.throwIfAborted();
      return hits.slice(0, k);
    },
    chunks: () => hits.map(({ chunk }) => chunk),
    size: hits.length,
  };
}

export function failingRetriever(error: Error): Retriever {
  const fail = async (): Promise<never> => {
    throw error;
  };
  return { add: fail, remove: fail, search: fail, size: 0 };
}

/** An empty index for the vectors of {@link HashingEmbedder}. */
export function vectorIndex(dimensions = 256): VectorIndex {
  const { fingerprint } = new HashingEmbedder();
  return flatIndex({ embedder: { fingerprint, dimensions } });
}
