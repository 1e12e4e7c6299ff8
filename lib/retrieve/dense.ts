import type { Chunk } from '../document.js';
import { IndexMismatchError, InvalidArgumentError } from '../errors.js';
import type { Embedder } from './embedder.js';
import { fieldsOf } from './filter.js';
import { assertCount, assertSearch, byScoreThenPlace } from './ranking.js';
import type { Retriever, ScoredChunk, SearchOptions } from './retriever.js';
import { isSavedChunk, restoredChunk, savedChunk, type SavedChunk } from './saved-chunk.js';
import { Siblings } from './siblings.js';
import { embedChecked, PassageEncoder, type SituateOptions } from './situate.js';
import type { VectorEntry, VectorIndex } from './vector-index.js';

export interface DenseRetrieverOptions {
  readonly embedder: Embedder;
  /** Of the embedder's dimensions, and used by nothing else. Empty, unless its chunks are restored. */
  readonly index: VectorIndex;
  /** Passages embedded at once; default 32. */
  readonly batchSize?: number;
  /** Embeds passages in their context; default as they are. */
  readonly situate?: SituateOptions;
  /** More vectors that a chunk is found by; default none. */
  readonly fields?: readonly DenseField[];
}

/** Texts that belong to a chunk but are no part of it, each a vector of its own: questions that it answers, a summary. */
export interface DenseField {
  readonly name: string;
  /** An index of its own, under the same conditions as that of the passages. */
  readonly index: VectorIndex;
  /** What a similarity to one of them counts against one to the passage, above 0; default 1. */
  readonly weight?: number;
  /** Always the same for a chunk; blank ones are left out. */
  textsOf(chunk: Chunk): readonly string[];
}

/** A dense retriever that can be saved beside its index: `JSON.stringify(retriever)` gives what {@link restoreDenseRetriever} takes. */
export interface DenseRetriever extends Retriever {
  toJSON(): DenseSnapshot;
}

/** The chunks of a saved index, without their vectors. Plain data, fit for JSON. */
export interface DenseSnapshot {
  readonly format: typeof format;
  readonly version: typeof version;
  /** Of the embedder, and of how passages were put into their context. */
  readonly embedder: string;
  readonly fields: readonly string[];
  readonly chunks: readonly SavedChunk[];
}

const format = 'chunkweave-dense';
const version = 1;

/**
 * Finds chunks by the similarity of their vectors to the question's; with `fields`, by the highest of the weighted
 * similarities of all of a chunk's vectors. Unlike lexical search it always finds `k` chunks where there are as many.
 *
 * Changes are made one after another, in batches: an aborted or failed `add` keeps the batches before it. Where passages
 * are embedded in context, neighbours of what came or went are embedded again, so the vectors are those of an index made
 * in one go. The first change rejects with InvalidArgumentError when the index holds vectors of chunks that are not known.
 *
 * @throws IndexMismatchError for an index of another embedder; InvalidArgumentError for options that cannot be
 */
export function denseRetriever(options: DenseRetrieverOptions): DenseRetriever {
  return new VectorRetriever(options);
}

/**
 * Brings back the chunks that `toJSON()` saved, parsed from JSON, beside the index that holds their vectors.
 *
 * @throws InvalidArgumentError when the snapshot is damaged, was made with another embedder, context or fields, or does not
 * fit the index: index the chunks again.
 */
export async function restoreDenseRetriever(
  snapshot: unknown,
  options: DenseRetrieverOptions,
): Promise<DenseRetriever> {
  const retriever = new VectorRetriever(options);
  if (!isSnapshot(snapshot)) return refuse(`this is no ${format} of version ${version}`);
  const fields = snapshot.fields.join(', ');
  const wanted = (options.fields ?? []).map(({ name }) => name).join(', ');
  if (snapshot.embedder !== retriever.fingerprint) {
    refuse(`they were embedded by "${snapshot.embedder}", not by "${retriever.fingerprint}"`);
  }
  if (fields !== wanted) refuse(`their fields are "${fields}", not "${wanted}"`);
  retriever.take(snapshot.chunks.map(restoredChunk));
  for (const [name, index] of retriever.indexes()) {
    const size = await index.size();
    const expected = retriever.vectorsOf(name);
    if (size !== expected) refuse(`the index of ${name} holds ${size} vectors, not ${expected}`);
  }
  return retriever;
}

function refuse(problem: string): never {
  throw new InvalidArgumentError(
    `The saved chunks cannot be used: ${problem}. Clear the index and index the documents again.`,
  );
}

class VectorRetriever implements DenseRetriever {
  readonly fingerprint: string;
  readonly #embedder: Embedder;
  readonly #index: VectorIndex;
  readonly #fields: readonly DenseField[];
  readonly #batchSize: number;
  readonly #encoder: PassageEncoder;
  readonly #chunks = new Map<string, Chunk>();
  readonly #siblings = new Siblings();
  /** Ends when the change that was asked for last is made. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ embedder, index, batchSize = 32, situate, fields = [] }: DenseRetrieverOptions) {
    assertCount('batchSize', batchSize);
    this.#embedder = embedder;
    this.#index = index;
    this.#fields = fields;
    this.#batchSize = batchSize;
    this.#encoder = new PassageEncoder(embedder, situate);
    this.fingerprint = this.#encoder.fingerprint;
    const names = new Set(['passages']);
    for (const { name, weight = 1 } of fields) {
      if (names.has(name) || !(weight > 0 && Number.isFinite(weight))) {
        throw new InvalidArgumentError(
          `The field "${name}" of weight ${weight} cannot be: names are unique and not "passages", weights above 0.`,
        );
      }
      names.add(name);
    }
    for (const [name, { dimensions, fingerprint }] of this.indexes()) {
      if (dimensions === embedder.dimensions && fingerprint === embedder.fingerprint) continue;
      throw new IndexMismatchError(
        `The index of ${name} takes vectors of ${dimensions} numbers from ${fingerprint}, but the embedder is ${embedder.fingerprint} and gives ${embedder.dimensions}.`,
      );
    }
  }

  get size(): number {
    return this.#chunks.size;
  }

  indexes(): [string, VectorIndex][] {
    return [
      ['passages', this.#index],
      ...this.#fields.map(({ name, index }): [string, VectorIndex] => [name, index]),
    ];
  }

  /** How many vectors the chunks have in one of the indexes. */
  vectorsOf(name: string): number {
    const field = this.#fields.find((one) => one.name === name);
    if (!field) return this.#chunks.size;
    let count = 0;
    for (const chunk of this.#chunks.values()) count += textsOf(field, chunk).length;
    return count;
  }

  /** Chunks whose vectors are there already. */
  take(chunks: readonly Chunk[]): void {
    for (const chunk of chunks) this.#enter(chunk);
  }

  async add(
    chunks: readonly Chunk[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    // Of two with one id the later one counts.
    const latest = [...new Map(chunks.map((chunk) => [chunk.id, chunk])).values()];
    await this.#inTurn(async () => {
      await this.#assertOwn();
      for (let at = 0; at < latest.length; at += this.#batchSize) {
        signal?.throwIfAborted();
        await this.#change(latest.slice(at, at + this.#batchSize), [], signal);
      }
    });
    signal?.throwIfAborted();
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#inTurn(async () => {
      const gone = [...new Set(ids)].flatMap((id) => this.#chunks.get(id) ?? []);
      if (gone.length > 0) await this.#change([], gone, undefined);
    });
  }

  async search(question: string, options: SearchOptions): Promise<ScoredChunk[]> {
    assertSearch(options);
    const { k, signal } = options;
    if (this.#chunks.size === 0 || question.trim() === '') return [];
    const [vector] = await embedChecked(this.#embedder, [question], 'query', signal);
    const sides = [
      { index: this.#index, weight: 1 },
      ...this.#fields.map(({ index, weight = 1 }) => ({ index, weight })),
    ];
    const scores = new Map<string, number>();
    // A chunk of the best k by its highest score is among the best k of the side where it has that score.
    await Promise.all(
      sides.map(async ({ index, weight }, side) => {
        const found = await this.#nearest(index, vector as Float32Array, side > 0, options);
        for (const [id, similarity] of found) {
          const score = weight * similarity;
          if (score > (scores.get(id) ?? -Infinity)) scores.set(id, score);
        }
      }),
    );
    signal?.throwIfAborted();
    const found: ScoredChunk[] = [];
    for (const [id, score] of scores) {
      const chunk = this.#chunks.get(id);
      if (chunk) found.push({ chunk, score });
    }
    return found.sort(byScoreThenPlace).slice(0, k);
  }

  chunks(): Iterable<Chunk> {
    return this.#chunks.values();
  }

  toJSON(): DenseSnapshot {
    return {
      format,
      version,
      embedder: this.fingerprint,
      fields: this.#fields.map(({ name }) => name),
      chunks: Array.from(this.#chunks.values(), savedChunk),
    };
  }

  /** @throws InvalidArgumentError for an index that was filled before, unless its chunks were restored */
  async #assertOwn(): Promise<void> {
    if (this.#chunks.size > 0) return;
    for (const [name, index] of this.indexes()) {
      const size = await index.size();
      if (size === 0) continue;
      throw new InvalidArgumentError(
        `The index of ${name} holds ${size} vectors already. Restore their chunks with restoreDenseRetriever(), or clear() it first.`,
      );
    }
  }

  /** The `k` nearest chunks of an index, by id; more vectors are asked for while too few chunks are behind them. */
  async #nearest(
    index: VectorIndex,
    vector: Float32Array,
    isField: boolean,
    { k, filter, signal }: SearchOptions,
  ): Promise<Map<string, number>> {
    for (let wanted = k; ; wanted *= 2) {
      const matches = await index.query(vector, {
        k: wanted,
        ...(filter && { filter }),
        ...(signal && { signal }),
      });
      const found = new Map<string, number>();
      for (const { id, score } of matches) {
        const chunkId = isField ? chunkIdOf(id) : id;
        // Vectors whose chunk is not known were left by a change that failed.
        if (this.#chunks.has(chunkId) && !found.has(chunkId)) found.set(chunkId, score);
      }
      if (found.size >= k || matches.length < wanted) return found;
    }
  }

  /** Puts chunks in and takes others out, with all vectors that depend on them; all or nothing, while the index works. */
  async #change(
    added: readonly Chunk[],
    removed: readonly Chunk[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const replaced = added.flatMap(({ id }) => this.#chunks.get(id) ?? []);
    const stale = new Map(added.map((chunk) => [chunk.id, chunk]));
    for (const chunk of [...replaced, ...removed]) {
      this.#markAround(chunk, stale);
      this.#leave(chunk);
    }
    for (const chunk of added) this.#enter(chunk);
    try {
      for (const chunk of added) this.#markAround(chunk, stale);
      const changed = [...stale.values()].flatMap(({ id }) => this.#chunks.get(id) ?? []);
      const entries = await this.#passageEntries(changed, signal);
      const sides = await Promise.all(
        this.#fields.map((field) => this.#fieldEntries(field, added, signal)),
      );
      await this.#index.remove(removed.map(({ id }) => id));
      if (entries.length > 0) await this.#index.upsert(entries, signal ? { signal } : {});
      for (const [i, field] of this.#fields.entries()) {
        await field.index.remove([...replaced, ...removed].flatMap((one) => fieldIds(field, one)));
        const own = sides[i] ?? [];
        if (own.length > 0) await field.index.upsert(own, signal ? { signal } : {});
      }
    } catch (error) {
      for (const chunk of added) this.#leave(chunk);
      for (const chunk of [...replaced, ...removed]) this.#enter(chunk);
      throw error;
    }
  }

  async #passageEntries(
    chunks: readonly Chunk[],
    signal: AbortSignal | undefined,
  ): Promise<VectorEntry[]> {
    if (chunks.length === 0) return [];
    const vectors = await this.#encoder.encode(chunks, this.#siblings, signal);
    return chunks.map((chunk, i) => ({
      id: chunk.id,
      vector: vectors[i] as Float32Array,
      metadata: fieldsOf(chunk),
    }));
  }

  async #fieldEntries(
    field: DenseField,
    chunks: readonly Chunk[],
    signal: AbortSignal | undefined,
  ): Promise<VectorEntry[]> {
    const parts = chunks.flatMap((chunk) => {
      const ids = fieldIds(field, chunk);
      return textsOf(field, chunk).map((text, i) => ({ chunk, text, id: ids[i] as string }));
    });
    if (parts.length === 0) return [];
    const texts = parts.map(({ text }) => text);
    const vectors = await embedChecked(this.#embedder, texts, 'passage', signal);
    return parts.map(({ id, chunk }, i) => ({
      id,
      vector: vectors[i] as Float32Array,
      metadata: fieldsOf(chunk),
    }));
  }

  /** Notes the chunks whose context a chunk is part of. */
  #markAround(chunk: Chunk, stale: Map<string, Chunk>): void {
    const { before, after } = this.#encoder.reach;
    if (before + after === 0) return;
    const around = this.#siblings.around(chunk, { before: after, after: before });
    for (const one of [...around.before, ...around.after]) stale.set(one.id, one);
  }

  #enter(chunk: Chunk): void {
    this.#chunks.set(chunk.id, chunk);
    this.#siblings.add(chunk);
  }

  #leave(chunk: Chunk): void {
    this.#chunks.delete(chunk.id);
    this.#siblings.remove(chunk);
  }

  async #inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(change);
    this.#last = turn.catch(() => {});
    await turn;
  }
}

function textsOf(field: DenseField, chunk: Chunk): string[] {
  return field.textsOf(chunk).filter((text) => text.trim() !== '');
}

/** A number, a space, and the chunk's id. */
function fieldIds(field: DenseField, chunk: Chunk): string[] {
  return textsOf(field, chunk).map((_, i) => `${i} ${chunk.id}`);
}

function chunkIdOf(fieldId: string): string {
  return fieldId.slice(fieldId.indexOf(' ') + 1);
}

function isSnapshot(value: unknown): value is DenseSnapshot {
  if (typeof value !== 'object' || value === null) return false;
  const one = value as Partial<DenseSnapshot>;
  return (
    one.format === format &&
    one.version === version &&
    typeof one.embedder === 'string' &&
    Array.isArray(one.fields) &&
    Array.isArray(one.chunks) &&
    one.chunks.every(isSavedChunk)
  );
}
