import { VectorIndexError } from '../../lib/errors.js';
import type { VectorMetric } from '../../lib/retrieve/vector-index.js';
import { checkGraphFile } from './graph-file.js';
import { type HnswlibModule, native, type NativeGraph } from './native.js';

export interface GraphOptions {
  readonly dimensions: number;
  readonly metric: VectorMetric;
  readonly connections: number;
  readonly efConstruction: number;
  readonly efSearch: number;
  readonly capacity: number;
}

/** The same graph in every run. */
const seed = 100;
const maxLabel = 2 ** 32 - 1;

/**
 * A native graph over the rows of an index. A row's label is used once and never again, since the native part can't
 * take a deleted label back; what is deleted there gives its place to the next one that is added.
 */
export class Graph {
  readonly #native: NativeGraph;
  readonly #efSearch: number;
  /** By place; undefined where there is no row. */
  readonly #labels: (number | undefined)[] = [];
  readonly #places = new Map<number, number>();
  #nextLabel = 0;
  #ef = 0;

  static create(module: HnswlibModule, options: GraphOptions): Graph {
    const { connections, efConstruction, capacity } = options;
    return native('be made', () => {
      const graph = new module.HierarchicalNSW(spaceOf(options.metric), options.dimensions);
      graph.initIndex(capacity, connections, efConstruction, seed, true);
      return new Graph(graph, options);
    });
  }

  /**
   * Reads what {@link write} wrote. `labels` are those of places 0, 1 and so on.
   * @throws VectorIndexError
   */
  static read(
    module: HnswlibModule,
    options: GraphOptions,
    path: string,
    labels: Uint32Array,
  ): Graph {
    const graph = native('be read', () => {
      const graph = new module.HierarchicalNSW(spaceOf(options.metric), options.dimensions);
      graph.readIndexSync(path, true);
      return graph;
    });
    const there = new Set(native('be read', () => graph.getIdsList()));
    if (!labels.every((label) => there.has(label))) {
      throw new VectorIndexError('The graph of the vector index lacks some of its vectors.');
    }
    const result = new Graph(graph, options);
    for (const [place, label] of labels.entries()) result.bind(label, place);
    for (const label of there) result.#nextLabel = Math.max(result.#nextLabel, label + 1);
    return result;
  }

  private constructor(graph: NativeGraph, { efSearch }: GraphOptions) {
    this.#native = graph;
    this.#efSearch = efSearch;
  }

  /** Share of what the graph holds that is deleted and still in the way. */
  get deletedShare(): number {
    const count = this.#native.getCurrentCount();
    return count === 0 ? 0 : 1 - this.#places.size / count;
  }

  get count(): number {
    return this.#native.getCurrentCount();
  }

  /** Adds a vector and gives its label, which no search finds before it is bound to a row. @throws VectorIndexError */
  add(vector: ArrayLike<number>): number {
    if (this.#nextLabel > maxLabel) {
      throw new VectorIndexError('The graph of the vector index is out of labels. Call rebuild().');
    }
    const label = this.#nextLabel;
    native('take a vector', () => {
      const graph = this.#native;
      const count = graph.getCurrentCount();
      const hasDeleted = count > this.#places.size;
      if (!hasDeleted && count >= graph.getMaxElements()) {
        graph.resizeIndex(Math.ceil(count * 1.5) + 1);
      }
      graph.addPoint(Array.from(vector), label, hasDeleted);
    });
    this.#nextLabel++;
    return label;
  }

  /** From now on the row at `place` is the one that was added under `label`. */
  bind(label: number, place: number): void {
    const before = this.#labels[place];
    this.#labels[place] = label;
    this.#places.set(label, place);
    if (before !== undefined) this.#drop(before);
  }

  take(place: number): void {
    const label = this.#labels[place];
    this.#labels[place] = undefined;
    if (label !== undefined) this.#drop(label);
  }

  /** Places of some `k` rows near to `query`, or fewer. `k` is not above the number of rows. @throws VectorIndexError */
  search(
    query: Float32Array,
    k: number,
    accepts: ((place: number) => boolean) | undefined,
  ): number[] {
    const ef = Math.max(this.#efSearch, k);
    const isThere = (label: number): boolean => {
      const place = this.#places.get(label);
      return place !== undefined && (!accepts || accepts(place));
    };
    const { neighbors } = native('be searched', () => {
      if (ef !== this.#ef) this.#native.setEf(ef);
      this.#ef = ef;
      // A filter that throws would end the process: this one can't, and without conditions none is needed.
      return this.#native.searchKnn(Array.from(query), k, accepts && isThere);
    });
    const places: number[] = [];
    for (const label of neighbors) {
      const place = this.#places.get(label);
      if (place !== undefined) places.push(place);
    }
    return places;
  }

  /** Labels of these places. */
  labelsOf(places: readonly number[]): Uint32Array {
    return Uint32Array.from(places, (place) => this.#labels[place] as number);
  }

  /** Nothing may change the graph meanwhile. @throws VectorIndexError */
  async write(path: string): Promise<void> {
    const count = this.#native.getCurrentCount();
    try {
      await this.#native.writeIndex(path);
    } catch (cause) {
      throw new VectorIndexError('The graph of the vector index could not be written.', { cause });
    }
    // The native part doesn't tell when the disk is full.
    await checkGraphFile(path, count);
  }

  #drop(label: number): void {
    this.#places.delete(label);
    native('forget a vector', () => this.#native.markDelete(label));
  }
}

/** Vectors for `cosine` have length 1, so that their product is their cosine. */
const spaceOf = (metric: VectorMetric): 'ip' | 'l2' => (metric === 'euclidean' ? 'l2' : 'ip');
