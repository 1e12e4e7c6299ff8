import MiniSearch, { type AsPlainObject, type Options } from 'minisearch';
import type { Chunk } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { runSteps, type Steps } from '../pace.js';
import { fieldsOf, filterMatches } from './filter.js';
import { assertSearch, byScoreThenPlace } from './ranking.js';
import type { Retriever, ScoredChunk, SearchOptions } from './retriever.js';
import { isSavedChunk, restoredChunk, type SavedChunk, savedChunk } from './saved-chunk.js';
import { englishStopWords } from './stop-words.js';
import { termsOf } from './terms.js';

export interface Bm25RetrieverOptions {
  /**
   * Terms that are left out of a question, unless it has no others; default English function words. They
   * are always indexed.
   */
  readonly stopWords?: ReadonlySet<string>;
  /** Texts beside a chunk's own that it is found by; default none. Those of {@link enrichedFields}, for example. */
  readonly fields?: readonly TextField[];
}

/** A text that belongs to a chunk but is no part of it: a title, questions that it answers. */
export interface TextField {
  /** Unique, and neither `text` nor `headings`. */
  readonly name: string;
  /** What a match in it counts against one in the text, at least 0; default 1. */
  readonly weight?: number;
  /** Always the same for a chunk; undefined or empty where it has none. */
  textOf(chunk: Chunk): string | undefined;
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

const format = 'chunkweave-bm25';
/** Counts up whenever {@link termsOf} or the index below changes: an older index would miss terms. */
const version = 1;

/** Of a match in the headings above a passage, against one in its text. */
const headingsWeight = 0.5;

/** Headings name what a passage in the middle of a section no longer says itself. */
const ownFields = ['text', 'headings'];

function indexOptions(fields: readonly TextField[]): Options<Chunk> {
  const texts = new Map(fields.map((field) => [field.name, field]));
  return {
    fields: [...ownFields, ...texts.keys()],
    extractField: (chunk, name) => {
      if (name === 'id') return chunk.id;
      if (name === 'text') return chunk.text;
      return name === 'headings' ? headingsOf(chunk) : (texts.get(name)?.textOf(chunk) ?? '');
    },
    tokenize: termsOf,
    processTerm: (term) => term,
    // Removal is exact, since the chunks are kept: nothing is left behind to vacuum.
    autoVacuum: false,
  };
}

/** @throws InvalidArgumentError */
function assertFields(fields: readonly TextField[]): void {
  const names = new Set(['id', ...ownFields]);
  for (const { name, weight = 1 } of fields) {
    if (typeof name !== 'string' || name === '' || names.has(name)) {
      throw new InvalidArgumentError(
        `A field is named "${name}"; names are unique, not empty, and not id, text or headings.`,
      );
    }
    if (!(weight >= 0 && Number.isFinite(weight))) {
      throw new InvalidArgumentError(
        `The weight of the field "${name}" is ${weight}; give a number of at least 0.`,
      );
    }
    names.add(name);
  }
}

/**
 * Lexical search with BM25+ over the texts of chunks and the headings above them. Needs no model; works for
 * scripts with and without spaces between words. Holds about 5 KB a chunk beside the chunk itself.
 *
 * Equal input gives equal results: chunks of equal score come in the order of document id and place.
 * `search` throws InvalidArgumentError for a `k` that is no whole number of at least 1 or a filter that cannot be, and
 * finds nothing for a question of which no term is known.
 *
 * @throws InvalidArgumentError for fields that cannot be
 */
export function bm25Retriever(options: Bm25RetrieverOptions = {}): Bm25Retriever {
  const { fields = [] } = options;
  assertFields(fields);
  return new MiniSearchRetriever(options, new MiniSearch(indexOptions(fields)), []);
}

/**
 * Brings back what `toJSON()` saved, parsed from JSON, given the same fields.
 *
 * @throws InvalidArgumentError when the snapshot is of another version, of other fields, or damaged: index the chunks
 * again.
 */
export async function restoreBm25Retriever(
  snapshot: unknown,
  options: Bm25RetrieverOptions = {},
): Promise<Bm25Retriever> {
  const { fields = [] } = options;
  assertFields(fields);
  if (!isSnapshot(snapshot)) throw refuse(`it is no ${format} of version ${version}`);
  let index: MiniSearch<Chunk>;
  let chunks: Chunk[];
  const names = [...ownFields, ...fields.map(({ name }) => name)].join(', ');
  const saved = Object.keys(snapshot.index.fieldIds ?? {}).join(', ');
  if (saved !== names) throw refuse(`its fields are ${saved || 'none'}, not ${names}`);
  try {
    chunks = snapshot.chunks.map(restoredChunk);
    index = await MiniSearch.loadJSAsync(snapshot.index, indexOptions(fields));
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
  readonly #boost: Readonly<Record<string, number>>;
  readonly #index: MiniSearch<Chunk>;
  readonly #chunks: Map<string, Chunk>;

  constructor(options: Bm25RetrieverOptions, index: MiniSearch<Chunk>, chunks: readonly Chunk[]) {
    this.#stopWords = options.stopWords ?? englishStopWords;
    const { fields = [] } = options;
    this.#boost = {
      text: 1,
      headings: headingsWeight,
      ...Object.fromEntries(fields.map(({ name, weight = 1 }) => [name, weight])),
    };
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
    assertSearch(options);
    const { k, filter } = options;
    const terms = this.#questionTerms(question);
    if (terms.length === 0) return [];
    const matches = this.#index.search(question, {
      tokenize: () => terms,
      prefix: false,
      fuzzy: false,
      combineWith: 'OR',
      // A boost of 0 would count as none given.
      fields: Object.keys(this.#boost).filter((name) => this.#boost[name] !== 0),
      boost: this.#boost,
    });
    const found: ScoredChunk[] = [];
    for (const { id, score, queryTerms } of matches) {
      const chunk = this.#chunks.get(id);
      // The index multiplies by the number of matched terms; without that, scores are those of BM25+.
      if (!chunk || (filter && !filterMatches(filter, fieldsOf(chunk)))) continue;
      if (score > 0) found.push({ chunk, score: score / Math.max(1, queryTerms.length) });
    }
    return found.sort(byScoreThenPlace).slice(0, k);
  }

  chunks(): Iterable<Chunk> {
    return this.#chunks.values();
  }

  toJSON(): Bm25Snapshot {
    const chunks = Array.from(this.#chunks.values(), savedChunk);
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

function isSnapshot(value: unknown): value is Bm25Snapshot {
  if (typeof value !== 'object' || value === null) return false;
  const { format: itsFormat, version: itsVersion, chunks, index } = value as Partial<Bm25Snapshot>;
  if (itsFormat !== format || itsVersion !== version || typeof index !== 'object' || index === null)
    return false;
  return Array.isArray(chunks) && chunks.every(isSavedChunk);
}
