import { contentHash } from '../chunkers/chunk-id.js';
import type { Chunk } from '../document.js';
import { IndexMismatchError, InvalidArgumentError } from '../errors.js';
import {
  type DenseSnapshot,
  denseFormat,
  denseVersion,
  isDenseSnapshot,
} from './dense-snapshot.js';
import type { Embedder } from './embedder.js';
import { fieldsOf } from './filter.js';
import { assertCount, assertSearch, byScoreThenPlace } from './ranking.js';
import type { Retriever, ScoredChunk, SearchOptions } from './retriever.js';
import { restoredChunk, savedChunk } from './saved-chunk.js';
import { Siblings } from './siblings.js';
import { embedChecked, PassageEncoder, type SituateOptions } from './situate.js';
import type { SavableVectorIndex, VectorEntry, VectorIndex } from './vector-index.js';

export interface DenseRetrieverOptions {
  readonly embedder: Embedder;
  /** Of the embedder's dimensions, and used by nothing else. Empty, unless its chunks are restored. */
  readonly index: VectorIndex;
  /** Passages embedded at once; default 32. */
  readonly batchSize?: number;
  /** Embeds passages in their context; default as they are. */
  readonly situate?: SituateOptions;
  /**
   * Vectors that passages have already, of the embedder's length and kind, for example those that a pass over their document made
   * (`singlePass: { vectors }`); passages without one are embedded. Not with `situate`. Default: all are embedded.
   */
  readonly vectorOf?: (chunk: Chunk) => Float32Array | undefined;
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

/**
 * Finds chunks by the similarity of their vectors to the question's; with `fields`, by the highest of the weighted
 * similarities of all of a chunk's vectors. Unlike lexical search it always finds `k` chunks where there are as many.
 *
 * Changes are made one after another, in batches: an aborted or failed `add` keeps the batches before it. Where passages
 * are embedded in context, neighbours of what came or went are embedded again, so the vectors are those of an index made
 * in one go. A chunk that is added again with the same text keeps its vector, and is not embedded; where its metadata changed that
 * takes an index that gives vectors back, as those in memory do. The first change rejects with InvalidArgumentError when the index holds vectors of chunks that are not known.
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
  if (!isDenseSnapshot(snapshot)) {
    return refuse(`this is no ${denseFormat} of version ${denseVersion}`);
  }
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
  readonly #vectorOf: ((chunk: Chunk) => Float32Array | undefined) | undefined;
  readonly #chunks = new Map<string, Chunk>();
  /** Hashes of the texts that chunks are embedded by, where that is not their own. */
  readonly #embeddedBy = new Map<string, string>();
  /** Ids of chunks whose vectors may be gone or others, since a change failed. */
  readonly #doubtful = new Set<string>();
  readonly #siblings = new Siblings();
  /** Ends when the change that was asked for last is made. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: DenseRetrieverOptions) {
    const { embedder, index, batchSize = 32, situate, vectorOf, fields = [] } = options;
    assertCount('batchSize', batchSize);
    if (vectorOf && situate) {
      throw new InvalidArgumentError(
        'denseRetriever: vectorOf gives vectors of passages as they are; leave it out, or situate.',
      );
    }
    this.#vectorOf = vectorOf;
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
      format: denseFormat,
      version: denseVersion,
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
      const before = new Map(changed.map((chunk) => [chunk.id, chunk]));
      for (const chunk of added) before.delete(chunk.id);
      for (const chunk of replaced) before.set(chunk.id, chunk);
      const { entries, texts } = await this.#passageEntries(changed, before, signal);
      const sides = await Promise.all(
        this.#fields.map((field) => this.#fieldEntries(field, added, before, signal)),
      );
      await this.#index.remove(removed.map(({ id }) => id));
      if (entries.length > 0) await this.#index.upsert(entries, signal ? { signal } : {});
      for (const [i, field] of this.#fields.entries()) {
        const { entries: own, kept } = sides[i] as FieldChange;
        const gone = [...replaced.filter(({ id }) => !kept.has(id)), ...removed];
        await field.index.remove(gone.flatMap((one) => fieldIds(field, one)));
        if (own.length > 0) await field.index.upsert(own, signal ? { signal } : {});
      }
      for (const [id, text] of texts) this.#embeddedBy.set(id, text);
      for (const { id } of removed) this.#embeddedBy.delete(id);
      for (const { id } of [...changed, ...removed]) this.#doubtful.delete(id);
    } catch (error) {
      for (const { id } of [...stale.values(), ...removed]) this.#doubtful.add(id);
      for (const chunk of added) this.#leave(chunk);
      for (const chunk of [...replaced, ...removed]) this.#enter(chunk);
      throw error;
    }
  }

  /**
   * What the index is told of chunks, and the hashes of the texts that they are embedded by. A chunk that is as it was is left out;
   * one of which only the metadata are others keeps its vector.
   *
   * @param before the chunks as the index knows them, by id
   */
  async #passageEntries(
    chunks: readonly Chunk[],
    before: ReadonlyMap<string, Chunk>,
    signal: AbortSignal | undefined,
  ): Promise<{ entries: VectorEntry[]; texts: ReadonlyMap<string, string> }> {
    const texts = new Map<string, string>();
    const vectors = new Map<Chunk, Float32Array>();
    const missing: Chunk[] = [];
    for (const chunk of chunks) {
      const old = before.get(chunk.id);
      const isSame = this.#hasSameText(chunk, old, texts);
      if (isSame && isSameMetadata(old, chunk)) continue;
      const vector = isSame ? vectorIn(this.#index, chunk.id) : undefined;
      const known = vector ?? this.#vectorOf?.(chunk);
      if (known) vectors.set(chunk, known);
      else missing.push(chunk);
    }
    if (missing.length > 0) {
      const made = await this.#encoder.encode(missing, this.#siblings, signal);
      for (const [i, chunk] of missing.entries()) vectors.set(chunk, made[i] as Float32Array);
    }
    const entries = chunks.flatMap((chunk) => {
      const vector = vectors.get(chunk);
      return vector ? { id: chunk.id, vector, metadata: fieldsOf(chunk) } : [];
    });
    return { entries, texts };
  }

  /** Whether a chunk's vector is made from what it was made from before. */
  #hasSameText(chunk: Chunk, old: Chunk | undefined, texts: Map<string, string>): boolean {
    const { before, after } = this.#encoder.reach;
    const isPlain =
      before + after === 0 && this.#encoder.fingerprint === this.#embedder.fingerprint;
    if (isPlain) return !this.#doubtful.has(chunk.id) && old?.text === chunk.text;
    const text = contentHash(this.#encoder.sourceOf(chunk, this.#siblings));
    texts.set(chunk.id, text);
    const known = old && !this.#doubtful.has(chunk.id) ? this.#embeddedBy.get(chunk.id) : undefined;
    return known === text;
  }

  async #fieldEntries(
    field: DenseField,
    chunks: readonly Chunk[],
    before: ReadonlyMap<string, Chunk>,
    signal: AbortSignal | undefined,
  ): Promise<FieldChange> {
    const entries: VectorEntry[] = [];
    const kept = new Set<string>();
    const missing: { chunk: Chunk; text: string; id: string }[] = [];
    for (const chunk of chunks) {
      const old = before.get(chunk.id);
      const ids = fieldIds(field, chunk);
      const texts = textsOf(field, chunk);
      const isSame =
        old !== undefined &&
        !this.#doubtful.has(chunk.id) &&
        JSON.stringify(textsOf(field, old)) === JSON.stringify(texts);
      if (isSame && isSameMetadata(old, chunk)) {
        kept.add(chunk.id);
        continue;
      }
      const vectors = isSame ? ids.map((id) => vectorIn(field.index, id)) : [];
      if (isSame && vectors.every((vector) => vector !== undefined)) {
        kept.add(chunk.id);
        const metadata = fieldsOf(chunk);
        for (const [i, vector] of vectors.entries()) {
          entries.push({ id: ids[i] as string, vector, metadata });
        }
      } else {
        missing.push(...texts.map((text, i) => ({ chunk, text, id: ids[i] as string })));
      }
    }
    if (missing.length > 0) {
      const texts = missing.map(({ text }) => text);
      const vectors = await embedChecked(this.#embedder, texts, 'passage', signal);
      for (const [i, { id, chunk }] of missing.entries()) {
        entries.push({ id, vector: vectors[i] as Float32Array, metadata: fieldsOf(chunk) });
      }
    }
    return { entries, kept };
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

/** Of a field's index. */
interface FieldChange {
  readonly entries: readonly VectorEntry[];
  /** Ids of chunks whose vectors stay. */
  readonly kept: ReadonlySet<string>;
}

/** A copy of a vector, from indexes that give them. */
function vectorIn(index: VectorIndex, id: string): Float32Array | undefined {
  return (index as Partial<SavableVectorIndex>).vectorOf?.(id);
}

function isSameMetadata(old: Chunk | undefined, chunk: Chunk): boolean {
  if (!old) return false;
  try {
    return JSON.stringify(fieldsOf(old)) === JSON.stringify(fieldsOf(chunk));
  } catch {
    // No plain data: the index will say so.
    return false;
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
