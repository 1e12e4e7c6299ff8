import type { Chunk, Document } from '../document.js';

/** What a weave knows of a document. */
export interface KnownDocument {
  readonly id: string;
  readonly title: string;
  readonly source?: string;
  readonly chunks: readonly Chunk[];
  /** Names what it holds; undefined where that cannot be told. */
  readonly content: string | undefined;
}

/** The documents of a weave and their chunks. */
export class Registry {
  readonly #documents = new Map<string, KnownDocument>();
  /** How many chunks have a text: equal texts share their KV. */
  readonly #texts = new Map<string, number>();

  get size(): number {
    return this.#documents.size;
  }

  get(id: string): KnownDocument | undefined {
    return this.#documents.get(id);
  }

  set(document: Document, chunks: readonly Chunk[], content: string | undefined): void {
    this.delete(document.id);
    const { id, title = id, source } = document;
    this.#documents.set(id, {
      id,
      title,
      chunks,
      content,
      ...(source !== undefined && { source }),
    });
    for (const { text } of chunks) this.#texts.set(text, (this.#texts.get(text) ?? 0) + 1);
  }

  delete(id: string): KnownDocument | undefined {
    const document = this.#documents.get(id);
    if (!document) return undefined;
    this.#documents.delete(id);
    for (const { text } of document.chunks) {
      const count = (this.#texts.get(text) ?? 1) - 1;
      if (count > 0) this.#texts.set(text, count);
      else this.#texts.delete(text);
    }
    return document;
  }

  /** Whether a passage of exactly this text is in any document. */
  hasText(text: string): boolean {
    return this.#texts.has(text);
  }

  documents(): IterableIterator<KnownDocument> {
    return this.#documents.values();
  }
}
