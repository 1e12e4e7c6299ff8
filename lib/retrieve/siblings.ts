import type { Chunk } from '../document.js';

/** Chunks by document, in their order there. Finds what stands around a chunk. */
export class Siblings {
  readonly #documents = new Map<string, Chunk[]>();
  readonly #unsorted = new Set<string>();

  add(chunk: Chunk): void {
    const chunks = this.#documents.get(chunk.documentId) ?? [];
    chunks.push(chunk);
    this.#documents.set(chunk.documentId, chunks);
    this.#unsorted.add(chunk.documentId);
  }

  remove(chunk: Chunk): void {
    const chunks = this.#documents.get(chunk.documentId);
    const at = chunks?.findIndex(({ id }) => id === chunk.id) ?? -1;
    if (!chunks || at < 0) return;
    chunks.splice(at, 1);
    if (chunks.length === 0) this.#documents.delete(chunk.documentId);
  }

  /** All chunks of a document, by where they begin. */
  of(documentId: string): readonly Chunk[] {
    const chunks = this.#documents.get(documentId) ?? [];
    if (this.#unsorted.delete(documentId)) chunks.sort(byPlace);
    return chunks;
  }

  /** Number of a chunk in its document, or -1. By halving: documents may have many thousands of chunks. */
  placeOf(chunk: Chunk): number {
    const chunks = this.of(chunk.documentId);
    let [low, high] = [0, chunks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (byPlace(chunks[middle] as Chunk, chunk) < 0) low = middle + 1;
      else high = middle;
    }
    return chunks[low]?.id === chunk.id ? low : -1;
  }

  /** Up to `before` chunks ahead of a chunk and `after` behind it, nearest last and nearest first. */
  around(
    chunk: Chunk,
    { before, after }: { readonly before: number; readonly after: number },
  ): { readonly before: readonly Chunk[]; readonly after: readonly Chunk[] } {
    const chunks = this.of(chunk.documentId);
    const at = this.placeOf(chunk);
    if (at < 0) return { before: [], after: [] };
    return {
      before: chunks.slice(Math.max(0, at - before), at),
      after: chunks.slice(at + 1, at + 1 + after),
    };
  }
}

function byPlace(a: Chunk, b: Chunk): number {
  return a.start - b.start || a.end - b.end || (a.id < b.id ? -1 : 1);
}
