import { ChunkweaveError } from '../../lib/errors.js';
import {
  type Bm25Retriever,
  type Chunk,
  defaultFusion,
  type Embedder,
  hybridRetriever,
  type Retriever,
} from '../../lib/index.js';
import type { Collection } from './collection.js';
import { counted, formatCount } from './report/format.js';
import type { Terminal } from './report/terminal.js';
import { type FolderVectors, restoreVectors, saveVectors } from './saved-vectors.js';

export interface FolderIndexParts {
  readonly collection: Collection;
  readonly lexical: Bm25Retriever;
  /** Without it BM25 alone finds passages. */
  readonly embedder: Embedder | undefined;
  readonly terminal: Terminal;
}

export interface EmbedOptions {
  /** Begins no batch after that; at least one is made. Default no limit. */
  readonly milliseconds?: number;
  readonly signal: AbortSignal;
}

/** Passages embedded between two looks at the clock. */
const batch = 32;

/**
 * What finds passages of a folder: BM25, joined with the vectors of an embedder by their scores once every passage has
 * one. Until then BM25 alone is asked: passages without a vector would be found less often only because of that.
 */
export class FolderIndex {
  /** What a weave is given. Passages added to it have no vector before {@link embed} is called. */
  readonly retriever: Retriever;
  readonly #parts: FolderIndexParts;
  #vectors: FolderVectors | undefined;
  #hybrid: Retriever | undefined;

  constructor(parts: FolderIndexParts) {
    this.#parts = parts;
    const { lexical } = parts;
    this.retriever = {
      add: (chunks, options) => lexical.add(chunks, options),
      remove: async (ids) => {
        await lexical.remove(ids);
        await this.#vectors?.retriever.remove(ids);
      },
      search: (question, options) => this.#asked.search(question, options),
      chunks: () => lexical.chunks?.() ?? [],
      get size() {
        return lexical.size;
      },
    };
  }

  /** How a question finds passages now. */
  get kind(): 'hybrid' | 'bm25' {
    return this.#asked === this.#hybrid ? 'hybrid' : 'bm25';
  }

  /**
   * Gives passages that have none a vector: from an earlier run, or made now. Those made are saved, also when it is
   * aborted. Where embedding fails, BM25 alone goes on, and that is said.
   *
   * @throws the signal's reason
   */
  async embed({ milliseconds = Infinity, signal }: EmbedOptions): Promise<void> {
    const { embedder, collection, lexical, terminal } = this.#parts;
    if (!embedder) return;
    const start = performance.now();
    const vectors = (this.#vectors ??= await restoreVectors(
      collection,
      embedder,
      chunksOf(lexical),
      signal,
    ));
    this.#hybrid ??= this.#joined(vectors);
    const missing = this.#missing(vectors);
    let made = 0;
    try {
      while (made < missing.length && (made === 0 || performance.now() - start < milliseconds)) {
        const all = missing.length;
        terminal.progress(
          'Embedding',
          made / all,
          `${formatCount(made)} of ${counted(all, 'passage')}`,
        );
        const next = missing.slice(made, made + batch);
        await vectors.retriever.add(next, { signal });
        made += next.length;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!ChunkweaveError.isInstance(error)) throw error;
      terminal.note(`Passages cannot be embedded, so BM25 alone finds them (${error.message}).`);
      return;
    } finally {
      terminal.clear();
      if (made > 0) await this.#save(vectors);
    }
    const left = missing.length - made;
    if (left > 0) {
      terminal.note(
        `${counted(left, 'passage')} of ${formatCount(lexical.size)} still to be embedded; until then BM25 alone finds passages. ` +
          'The next question goes on with it, and chunkweave ingest does all.',
      );
    }
  }

  get #asked(): Retriever {
    const vectors = this.#vectors;
    if (!vectors || !this.#hybrid) return this.#parts.lexical;
    // Counting is enough: passages come in by `embed` only, and go from both.
    const whole = vectors.retriever.size === this.#parts.lexical.size;
    return whole ? this.#hybrid : this.#parts.lexical;
  }

  #joined({ retriever }: FolderVectors): Retriever {
    const { lexical, terminal } = this.#parts;
    let isSaid = false;
    return hybridRetriever({
      retrievers: { lexical, dense: retriever },
      ...defaultFusion,
      onNotice: ({ message }) => {
        if (isSaid) return;
        isSaid = true;
        terminal.note(message);
      },
    });
  }

  #missing({ retriever }: FolderVectors): Chunk[] {
    const known = new Set(Array.from(chunksOf(retriever), ({ id }) => id));
    return [...chunksOf(this.#parts.lexical)].filter(({ id }) => !known.has(id));
  }

  async #save(vectors: FolderVectors): Promise<void> {
    try {
      await saveVectors(this.#parts.collection, vectors);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      this.#parts.terminal.note(`Vectors are not kept for the next time: ${problem}`);
    }
  }
}

function chunksOf(retriever: Retriever): Iterable<Chunk> {
  return retriever.chunks?.() ?? [];
}
