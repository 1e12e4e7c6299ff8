import type { Steps } from '../../pace.js';
import type { VectorMatch } from '../vector-index.js';
import type { VectorMetadata } from '../vector-metadata.js';
import type { CheckedEntry, VectorShape } from './entries.js';
import { type Similarity, similarityOf } from './similarity.js';
import { TopMatches } from './top-matches.js';

/** Numbers in a block: 1 MB. */
const blockNumbers = 2 ** 18;
/** Numbers that are looked at between two places where a search may pause: some 50 µs. */
const stepNumbers = 2 ** 16;

/**
 * Vectors in blocks that never move, with ids and metadata beside them. A row keeps its place until it is taken, so
 * that a search may pause at any row.
 */
export class VectorRows {
  readonly #dimensions: number;
  readonly #perBlock: number;
  readonly #similarity: Similarity;
  readonly #blocks: Float32Array[] = [];
  /** Undefined where a row is free. */
  readonly #ids: (string | undefined)[] = [];
  readonly #metadata: (VectorMetadata | undefined)[] = [];
  readonly #places = new Map<string, number>();
  readonly #free: number[] = [];

  constructor({ dimensions, metric }: VectorShape) {
    this.#dimensions = dimensions;
    this.#perBlock = Math.max(1, Math.floor(blockNumbers / dimensions));
    this.#similarity = similarityOf(metric);
  }

  get size(): number {
    return this.#places.size;
  }

  /** Places are below it. */
  get end(): number {
    return this.#ids.length;
  }

  placeOf(id: string): number | undefined {
    return this.#places.get(id);
  }

  idAt(place: number): string | undefined {
    return this.#ids[place];
  }

  metadataAt(place: number): VectorMetadata {
    return this.#metadata[place] as VectorMetadata;
  }

  /** A view, of length 1 where the metric is `cosine`. */
  vectorAt(place: number): Float32Array {
    const at = (place % this.#perBlock) * this.#dimensions;
    return this.#blockOf(place).subarray(at, at + this.#dimensions);
  }

  /** Adds a row, or puts it in the place of the one with its id. */
  put({ id, vector, scale, metadata }: CheckedEntry): number {
    const place = this.#places.get(id) ?? this.#free.pop() ?? this.#ids.length;
    if (Math.floor(place / this.#perBlock) === this.#blocks.length) {
      this.#blocks.push(new Float32Array(this.#perBlock * this.#dimensions));
    }
    const target = this.vectorAt(place);
    for (let i = 0; i < target.length; i++) target[i] = (vector[i] as number) * scale;
    this.#ids[place] = id;
    this.#metadata[place] = metadata;
    this.#places.set(id, place);
    return place;
  }

  /** Frees a row; undefined where there is none of this id. */
  take(id: string): number | undefined {
    const place = this.#places.get(id);
    if (place === undefined) return undefined;
    this.#places.delete(id);
    this.#ids[place] = undefined;
    this.#metadata[place] = undefined;
    this.#free.push(place);
    return place;
  }

  score(place: number, query: Float32Array): number {
    const at = (place % this.#perBlock) * this.#dimensions;
    return this.#similarity(this.#blockOf(place), at, query);
  }

  /** The best `k` rows, of those whose metadata are accepted. */
  *search(
    query: Float32Array,
    k: number,
    accepts?: (metadata: VectorMetadata) => boolean,
  ): Steps<VectorMatch[]> {
    const top = new TopMatches(k);
    const perStep = Math.max(1, Math.min(256, Math.floor(stepNumbers / this.#dimensions)));
    // Rows that come meanwhile may be left out.
    const end = this.#ids.length;
    for (let from = 0; from < end; from += perStep) {
      const to = Math.min(end, from + perStep);
      for (let place = from; place < to; place++) {
        const id = this.#ids[place];
        if (id === undefined) continue;
        const metadata = this.#metadata[place] as VectorMetadata;
        if (accepts && !accepts(metadata)) continue;
        const score = this.score(place, query);
        if (top.wants(score, id)) top.put({ id, score, metadata });
      }
      yield to / end;
    }
    return yield* top.take();
  }

  #blockOf(place: number): Float32Array {
    return this.#blocks[Math.floor(place / this.#perBlock)] as Float32Array;
  }
}
