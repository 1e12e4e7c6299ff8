import type { Chunk } from '../../document.js';
import type { Retriever } from '../../retrieve/retriever.js';
import type { Registry } from '../registry.js';

/** Which chunks a chunk's document has, as the registry knows, or else the index that a weave came with. */
export class DocumentChunks {
  readonly #registry: Registry;
  readonly #retriever: Retriever;
  /** Chunks that a retriever came with, and the documents that they make up. */
  readonly #restored = new WeakMap<Chunk, readonly Chunk[]>();
  readonly #numbers = new WeakMap<readonly Chunk[], ReadonlyMap<string, number>>();

  constructor({ registry, retriever }: { registry: Registry; retriever: Retriever }) {
    this.#registry = registry;
    this.#retriever = retriever;
  }

  /** All chunks of a chunk's document, in their order; the same list while the document is the same. */
  of(chunk: Chunk): readonly Chunk[] | undefined {
    return this.#registry.get(chunk.documentId)?.chunks ?? this.#restoredWith(chunk);
  }

  /** A chunk's number in such a list. Undefined where the document is another by now. */
  numberIn(chunks: readonly Chunk[], { id }: Chunk): number | undefined {
    let numbers = this.#numbers.get(chunks);
    if (!numbers) {
      numbers = new Map(chunks.map((chunk, number) => [chunk.id, number]));
      this.#numbers.set(chunks, numbers);
    }
    return numbers.get(id);
  }

  #restoredWith(chunk: Chunk): readonly Chunk[] | undefined {
    const known = this.#restored.get(chunk);
    if (known) return known;
    const all = this.#retriever.chunks?.();
    if (!all) return undefined;
    const chunks: Chunk[] = [];
    for (const other of all) if (other.documentId === chunk.documentId) chunks.push(other);
    chunks.sort((a, b) => a.start - b.start || a.end - b.end);
    for (const other of chunks) this.#restored.set(other, chunks);
    return chunks;
  }
}
