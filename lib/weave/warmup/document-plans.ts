import type { Chunk } from '../../document.js';
import { inParallel } from '../../store/in-parallel.js';
import type { Retriever } from '../../retrieve/retriever.js';
import type { Wanted } from '../kv-library.js';
import type { Registry } from '../registry.js';
import {
  type DocumentPlan,
  type PlannedChunk,
  planDocument,
  type PlanOptions,
} from './document-plan.js';

export interface DocumentPlansOptions extends PlanOptions {
  readonly registry: Registry;
  readonly retriever: Retriever;
  /** A passage's tokens in prompts and the key of its KV. */
  readonly own: (chunk: Chunk) => Promise<Wanted>;
}

/** Keys hashed at once. */
const parallel = 8;

/** The plans of a weave's documents, each made once. */
export class DocumentPlans {
  readonly #options: DocumentPlansOptions;
  /** Of a document's chunks; those of a document that takes its place are others. */
  readonly #plans = new WeakMap<readonly Chunk[], Promise<DocumentPlan>>();
  /** Chunks that a retriever came with, and the documents that they make up. */
  readonly #restored = new WeakMap<Chunk, readonly Chunk[]>();

  constructor(options: DocumentPlansOptions) {
    this.#options = options;
  }

  /** @param chunks all of a document, in their order. */
  of(chunks: readonly Chunk[]): Promise<DocumentPlan> {
    let plan = this.#plans.get(chunks);
    if (!plan) {
      plan = this.#make(chunks);
      this.#plans.set(chunks, plan);
    }
    return plan;
  }

  /**
   * A chunk as its document is planned. Undefined where nobody knows the document's other chunks, or the document
   * is another by now.
   */
  async find(chunk: Chunk): Promise<PlannedChunk | undefined> {
    const { registry, own } = this.#options;
    const chunks = registry.get(chunk.documentId)?.chunks ?? this.#restoredWith(chunk);
    const planned = chunks && (await this.of(chunks)).chunks.get(chunk.id);
    // Ids name texts. Of another tokenizer's tokens nothing here would be true.
    return planned?.own.key === (await own(chunk)).key ? planned : undefined;
  }

  async #make(chunks: readonly Chunk[]): Promise<DocumentPlan> {
    const passages: { chunk: Chunk; own: Wanted }[] = [];
    await inParallel(parallel, [...chunks.entries()], async ([i, chunk]) => {
      passages[i] = { chunk, own: await this.#options.own(chunk) };
    });
    return planDocument(passages, this.#options);
  }

  #restoredWith(chunk: Chunk): readonly Chunk[] | undefined {
    const known = this.#restored.get(chunk);
    if (known) return known;
    const all = this.#options.retriever.chunks?.();
    if (!all) return undefined;
    const chunks: Chunk[] = [];
    for (const other of all) if (other.documentId === chunk.documentId) chunks.push(other);
    chunks.sort((a, b) => a.start - b.start || a.end - b.end);
    for (const other of chunks) this.#restored.set(other, chunks);
    return chunks;
  }
}
