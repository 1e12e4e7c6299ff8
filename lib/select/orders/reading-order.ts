import type { ScoredChunk } from '../../retrieve/retriever.js';

/**
 * Documents by their best passage, the passages of one document as they follow each other there: text that
 * belongs together stands together, and the same set of passages gives the same prompt.
 *
 * @param ranked best first.
 */
export function readingOrder(ranked: readonly ScoredChunk[]): ScoredChunk[] {
  const documents = new Map<string, ScoredChunk[]>();
  for (const hit of ranked) {
    const hits = documents.get(hit.chunk.documentId);
    if (hits) hits.push(hit);
    else documents.set(hit.chunk.documentId, [hit]);
  }
  return [...documents.values()].flatMap((hits) =>
    hits.sort((a, b) => a.chunk.start - b.chunk.start || a.chunk.end - b.chunk.end),
  );
}
