import { chunkDocument } from '../chunk-document.js';
import { contentHash } from '../chunkers/chunk-id.js';
import type { Chunk, Document } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { contentOf } from './document-content.js';
import type { WeaveKit } from './kit.js';
import type { IngestChanges, IngestProgress } from './options.js';

/** Chunks given to the retriever at once: an abort is noticed between two slices. */
const sliceChunks = 256;

export interface IndexOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: IngestProgress) => void) | undefined;
  /** Whether documents that are not among those given go. */
  readonly complete?: boolean | undefined;
}

export interface Indexed {
  readonly ids: readonly string[];
  readonly chunks: number;
  readonly tokens: number;
  readonly replaced: readonly string[];
  readonly empty: readonly string[];
  readonly changes: IngestChanges;
  readonly milliseconds: number;
}

/**
 * Cuts documents into passages and indexes them, one after another. Each is taken whole or not at all;
 * those before an abort or an error stay. One that is there already, as it is, is not cut again.
 */
export async function indexDocuments(
  kit: WeaveKit,
  documents: Iterable<Document> | AsyncIterable<Document>,
  { signal, onProgress, complete = false }: IndexOptions,
): Promise<Indexed> {
  const start = performance.now();
  const work = new Indexing(kit, signal);
  for await (const document of documents) {
    signal.throwIfAborted();
    assertDocument(document);
    if (await work.put(document)) onProgress?.(work.progress(document.id));
  }
  if (complete) await work.removeOthers();
  return { ...work.result(), milliseconds: performance.now() - start };
}

class Indexing {
  readonly #kit: WeaveKit;
  readonly #signal: AbortSignal;
  /** Documents of an index that the weave came with, which the registry does not know. */
  readonly #restored: Map<string, readonly Chunk[]>;
  readonly #ids = new Set<string>();
  readonly #replaced = new Set<string>();
  readonly #empty: string[] = [];
  readonly #unchanged = new Set<string>();
  readonly #removed: string[] = [];
  /** Ids of new documents by their passages. */
  readonly #arrived = new Map<string, string>();
  readonly #renamed: { from: string; to: string }[] = [];
  readonly #counts = { kept: 0, added: 0, removed: 0 };
  #chunks = 0;
  #tokens = 0;

  constructor(kit: WeaveKit, signal: AbortSignal) {
    this.#kit = kit;
    this.#signal = signal;
    this.#restored = restoredDocuments(kit);
  }

  /** False for one without text. */
  async put(document: Document): Promise<boolean> {
    const { registry, encodings, engine, chunker, forgetter } = this.#kit;
    const signal = this.#signal;
    const content = await contentOf(document);
    const known = registry.get(document.id);
    if (known && content !== undefined && known.content === content) {
      this.#unchanged.add(document.id);
      this.#count(document.id, known.chunks, known.chunks);
      return true;
    }
    const old = known?.chunks ?? this.#restored.get(document.id);
    const { tokenizer } = engine;
    const chunks = await chunkDocument(document, { tokenizer, chunker, signal });
    try {
      await replaceChunks(this.#kit, old ?? [], chunks, signal);
    } catch (error) {
      // Their keys and values may have been made.
      forgetter.add(chunks);
      throw error;
    }
    this.#restored.delete(document.id);
    if (old) this.#replaced.add(document.id);
    else this.#arrived.set(textsOf(chunks), document.id);
    forgetter.add(old ?? []);
    if (chunks.length === 0) {
      registry.delete(document.id);
      this.#empty.push(document.id);
      this.#counts.removed += old?.length ?? 0;
      return false;
    }
    registry.set(document, chunks, content);
    // Its keys are known from here on, so that a question never waits for them.
    await encodings.plans?.of(chunks);
    this.#count(document.id, old ?? [], chunks);
    return true;
  }

  /** Documents that were not put go. What of them is in those that were keeps its keys and values. */
  async removeOthers(): Promise<void> {
    const { registry, retriever, forgetter } = this.#kit;
    const others = [...this.#restored];
    for (const { id, chunks } of registry.documents()) {
      if (!this.#ids.has(id)) others.push([id, chunks]);
    }
    for (const [id, chunks] of others) {
      this.#signal.throwIfAborted();
      registry.delete(id);
      forgetter.add(chunks);
      await retriever.remove(chunks.map((chunk) => chunk.id));
      this.#restored.delete(id);
      this.#counts.removed += chunks.length;
      this.#removed.push(id);
      const to = this.#arrived.get(textsOf(chunks));
      if (to !== undefined) this.#renamed.push({ from: id, to });
    }
  }

  progress(documentId: string): IngestProgress {
    return {
      phase: 'index',
      documentId,
      documents: this.#ids.size,
      chunks: this.#chunks,
      tokens: this.#tokens,
    };
  }

  result(): Omit<Indexed, 'milliseconds'> {
    return {
      ids: [...this.#ids],
      chunks: this.#chunks,
      tokens: this.#tokens,
      replaced: [...this.#replaced],
      empty: this.#empty,
      changes: {
        ...this.#counts,
        unchanged: [...this.#unchanged],
        removedDocuments: this.#removed,
        renamed: this.#renamed,
      },
    };
  }

  #count(id: string, old: readonly Chunk[], chunks: readonly Chunk[]): void {
    this.#ids.add(id);
    this.#chunks += chunks.length;
    for (const chunk of chunks) this.#tokens += chunk.tokens.length;
    const added = idsBut(chunks, old).length;
    this.#counts.added += added;
    this.#counts.kept += chunks.length - added;
    this.#counts.removed += idsBut(old, chunks).length;
  }
}

function textsOf(chunks: readonly Chunk[]): string {
  return `${chunks.length} ${contentHash(chunks.map(({ text }) => text).join('\u0000'))}`;
}

/** By their ids, with their chunks. */
function restoredDocuments({ registry, retriever }: WeaveKit): Map<string, readonly Chunk[]> {
  const documents = new Map<string, Chunk[]>();
  for (const chunk of retriever.chunks?.() ?? []) {
    if (registry.get(chunk.documentId)) continue;
    const chunks = documents.get(chunk.documentId);
    if (chunks) chunks.push(chunk);
    else documents.set(chunk.documentId, [chunk]);
  }
  for (const chunks of documents.values())
    chunks.sort((a, b) => a.start - b.start || a.end - b.end);
  return documents;
}

/** Puts a document's new chunks in place of its old ones; on failure the old ones are there again. */
async function replaceChunks(
  { retriever }: WeaveKit,
  old: readonly Chunk[],
  chunks: readonly Chunk[],
  signal: AbortSignal,
): Promise<void> {
  try {
    for (let at = 0; at < chunks.length; at += sliceChunks) {
      signal.throwIfAborted();
      await retriever.add(chunks.slice(at, at + sliceChunks), { signal });
    }
  } catch (error) {
    await retriever.remove(idsBut(chunks, old));
    if (old.length > 0) await retriever.add(old);
    throw error;
  }
  await retriever.remove(idsBut(old, chunks));
}

/** Ids of `chunks` that are not among `others`. */
function idsBut(chunks: readonly Chunk[], others: readonly Chunk[]): string[] {
  const kept = new Set(others.map(({ id }) => id));
  return chunks.map(({ id }) => id).filter((id) => !kept.has(id));
}

function assertDocument(document: Document): void {
  const isText = typeof document?.id === 'string' && typeof document.text === 'string';
  if (isText && document.id !== '') return;
  throw new InvalidArgumentError('A document needs an id (not empty) and a text, both strings.');
}
