import MiniSearch, { type AsPlainObject, type Options } from 'minisearch';
import type { Chunk } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { runSteps, type Steps } from '../pace.js';
import type { Retriever, ScoredChunk, SearchOptions } from './retriever.js';
import { englishStopWords } from './stop-words.js';
import { termsOf } from './terms.js';

export interface Bm25RetrieverOptions {
  /**
   * Terms that are left out of a question, unless it has no others; default English function words. They
   * are always indexed.
   */
  readonly stopWords?: ReadonlySet<string>;
}

/** A lexical retriever that can be saved: `JSON.stringify(retriever)` gives what {@link restoreBm25Retriever} takes. */
export interface Bm25Retriever extends Retriever {
  toJSON(): Bm25Snapshot;
}

/** A saved index. Plain data, fit for JSON. */
export interface Bm25Snapshot {
  readonly format: typeof format;
  readonly version: typeof version;
  readonly chunks: readonly SavedChunk[];
  readonly index: AsPlainObject;
}

export interface SavedChunk extends Omit<Chunk, 'tokens'> {
  readonly tokens: readonly number[];
}

const format = 'chunkweave-bm25';
/** Counts up whenever {@link termsOf} or the index below changes: an older index would miss terms. */
const version = 1;

/** Of a match in the headings above a passage, against one in its text. */
const headingsWeight = 0.5;

const indexOptions: Options<Chunk> = {
  // Headings name what a passage in the middle of a section no longer says itself.
  fields: ['text', 'headings'],
  extractField: (chunk, field) => {
    if (field === 'id') return chunk.id;
    return field === 'text' ? chunk.text : headingsOf(chunk);
  },
  tokenize: termsOf,
  processTerm: (term) => term,
  // Removal is exact, since the chunks are kept: nothing is left behind to vacuum.
  autoVacuum: false,
};

/**
 * Lexical search with BM25+ over the texts of chunks and the headings above them. Needs no model; works for
 * scripts with and without spaces between words. Holds about 5 KB a chunk beside the chunk itself.
 *
 * Equal input gives equal results: chunks of equal score come in the order of document id and place.
 * `search` throws InvalidArgumentError for a `k` that is no whole number of at least 1, and finds nothing
 * for a question of which no term is known.
 */
export function bm25Retriever(options: Bm25RetrieverOptions = {}): Bm25Retriever {
  return new MiniSearchRetriever(options, new MiniSearch(indexOptions), []);
}

/**
 * Brings back what `toJSON()` saved, parsed from JSON.
 *
 * @throws InvalidArgumentError when the snapshot is of another version or damaged: index the chunks again.
 */
export async function restoreBm25Retriever(
  snapshot: unknown,
  options: Bm25RetrieverOptions = {},
): Promise<Bm25Retriever> {
  if (!isSnapshot(snapshot)) throw refuse(`it is no ${format} of version ${version}`);
  let index: MiniSearch<Chunk>;
  let chunks: Chunk[];
  try {
    chunks = snapshot.chunks.map((chunk) => ({ ...chunk, tokens: Int32Array.from(chunk.tokens) }));
    index = await MiniSearch.loadJSAsync(snapshot.index, indexOptions);
  } catch (error) {
    throw refuse('it is damaged', error);
  }
  if (index.documentCount !== chunks.length || !chunks.every(({ id }) => index.has(id))) {
    throw refuse('its chunks are not those that it indexes');
  }
  return new MiniSearchRetriever(options, index, chunks);
}

function refuse(problem: string, cause?: unknown): InvalidArgumentError {
  return new InvalidArgumentError(
    `The saved index cannot be used: ${problem}. Index the documents again.`,
    { cause },
  );
}

class MiniSearchRetriever implements Bm25Retriever {
  readonly #stopWords: ReadonlySet<string>;
  readonly #index: MiniSearch<Chunk>;
  readonly #chunks: Map<string, Chunk>;

  constructor(options: Bm25RetrieverOptions, index: MiniSearch<Chunk>, chunks: readonly Chunk[]) {
    this.#stopWords = options.stopWords ?? englishStopWords;
    this.#index = index;
    this.#chunks = new Map(chunks.map((chunk) => [chunk.id, chunk]));
  }

  get size(): number {
    return this.#chunks.size;
  }

  /** When aborted, the chunks before that moment stay. */
  async add(
    chunks: readonly Chunk[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    await runSteps(this.#addAll(chunks), options);
  }

  async remove(ids: readonly string[]): Promise<void> {
    await runSteps(this.#removeAll(ids));
  }

  async search(question: string, options: SearchOptions): Promise<ScoredChunk[]> {
    const { k, signal } = options;
    if (!Number.isInteger(k) || k < 1) {
      throw new InvalidArgumentError(`k must be a whole number of at least 1, not ${k}.`);
    }
    signal?.throwIfAborted();
    const terms = this.#questionTerms(question);
    if (terms.length === 0) return [];
    const matches = this.#index.search(question, {
      tokenize: () => terms,
      prefix: false,
      fuzzy: false,
      combineWith: 'OR',
      boost: { headings: headingsWeight },
    });
    const found: ScoredChunk[] = [];
    for (const { id, score, queryTerms } of matches) {
      const chunk = this.#chunks.get(id);
      // The index multiplies by the number of matched terms; without that, scores are those of BM25+.
      if (chunk) found.push({ chunk, score: score / Math.max(1, queryTerms.length) });
    }
    return found.sort(byScoreThenPlace).slice(0, k);
  }

  chunks(): Iterable<Chunk> {
    return this.#chunks.values();
  }

  toJSON(): Bm25Snapshot {
    const chunks = Array.from(this.#chunks.values(), (chunk) => ({
      ...chunk,
      tokens: Array.from(chunk.tokens),
    }));
    return { format, version, chunks, index: this.#index.toJSON() };
  }

  /** Each term once: a question that repeats a word means it no more. */
  #questionTerms(question: string): string[] {
    const terms = [...new Set(termsOf(question))];
    const telling = terms.filter((term) => !this.#stopWords.has(term));
    return telling.length > 0 ? telling : terms;
  }

  *#addAll(chunks: readonly Chunk[]): Steps<void> {
    for (const [i, chunk] of chunks.entries()) {
      this.#removeOne(chunk.id);
      this.#index.add(chunk);
      this.#chunks.set(chunk.id, chunk);
      yield i / chunks.length;
    }
  }

  *#removeAll(ids: readonly string[]): Steps<void> {
    for (const [i, id] of ids.entries()) {
      this.#removeOne(id);
      yield i / ids.length;
    }
  }

  #removeOne(id: string): void {
    const chunk = this.#chunks.get(id);
    if (!chunk) return;
    this.#index.remove(chunk);
    this.#chunks.delete(id);
  }
}

function headingsOf(chunk: Chunk): string {
  const headings = chunk.metadata?.['headings'];
  return Array.isArray(headings) ? headings.join('\n') : '';
}

/**
 * Scores are compared in single precision: their last digits depend on the order in which chunks came and
 * went, and results must not.
 */
function byScoreThenPlace(a: ScoredChunk, b: ScoredChunk): number {
  const byScore = Math.fround(b.score) - Math.fround(a.score);
  if (byScore !== 0) return byScore;
  if (a.chunk.documentId !== b.chunk.documentId) {
    return a.chunk.documentId < b.chunk.documentId ? -1 : 1;
  }
  return a.chunk.start - b.chunk.start || (a.chunk.id < b.chunk.id ? -1 : 1);
}

function isSnapshot(value: unknown): value is Bm25Snapshot {
  if (typeof value !== 'object' || value === null) return false;
  const { format: itsFormat, version: itsVersion, chunks, index } = value as Partial<Bm25Snapshot>;
  if (itsFormat !== format || itsVersion !== version || typeof index !== 'object') return false;
  return Array.isArray(chunks) && chunks.every(isSavedChunk);
}

function isSavedChunk(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { id, documentId, text, start, end, tokens, tokenStart } = value as Partial<SavedChunk>;
  return (
    [id, documentId, text].every((field) => typeof field === 'string') &&
    [start, end, tokenStart].every((field) => Number.isInteger(field)) &&
    Array.isArray(tokens)
  );
}
