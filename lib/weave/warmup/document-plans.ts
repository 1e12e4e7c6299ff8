import type { Chunk } from '../../document.js';
import { inParallel } from '../../store/in-parallel.js';
import type { Wanted } from '../kv-library.js';
import type { DocumentChunks } from './document-chunks.js';
import {
  type DocumentPlan,
  type PlannedChunk,
  planDocument,
  type PlanOptions,
} from './document-plan.js';

export interface DocumentPlansOptions extends PlanOptions {
  readonly documents: DocumentChunks;
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
    const { documents, own } = this.#options;
    const chunks = documents.of(chunk);
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
}
