import { open } from 'node:fs/promises';
import { ChunkweaveError, IndexFileError, MissingPackageError } from '../../lib/errors.js';
import { pacer, runSteps, type Steps } from '../../lib/pace.js';
import type {
  SavableVectorIndex,
  VectorCallOptions,
  VectorMatch,
} from '../../lib/retrieve/vector-index.js';
import type { Block, Bytes } from '../../lib/retrieve/vectors/blocks.js';
import type { CheckedEntry } from '../../lib/retrieve/vectors/entries.js';
import { filterMatches, type MetadataFilter } from '../../lib/retrieve/filter.js';
import { MemoryIndex } from '../../lib/retrieve/vectors/memory-index.js';
import { VectorRows } from '../../lib/retrieve/vectors/rows.js';
import { firstExtraKind, readSnapshot } from '../../lib/retrieve/vectors/snapshot.js';
import { byScoreThenId } from '../../lib/retrieve/vectors/top-matches.js';
import { checkGraphFile, piecesOf, temporaryFile } from './graph-file.js';
import { Graph, type GraphOptions } from './graph.js';
import { type HnswlibModule, loadHnswlib } from './native.js';
import { type CheckedOptions, checkOptions, type HnswIndexOptions } from './options.js';

/** An index in memory that finds nearly all of the nearest by looking at few: the choice for many vectors. */
export interface HnswIndex extends SavableVectorIndex {
  /** Whether there is a graph; otherwise every query looks at every vector. */
  readonly isNative: boolean;
  /** Makes the graph anew, without those that were deleted. Queries go on meanwhile, changes wait. */
  rebuild(options?: VectorCallOptions): Promise<void>;
}

/** Blocks beside the rows: how many vectors the native file holds and the labels of the rows, then that file. */
const kinds = { labels: firstExtraKind, graph: firstExtraKind + 1 } as const;

/** Where the share of rows that a filter accepts is no larger, all of these are compared. */
const exactShare = 0.1;
const exactRows = 2000;

/**
 * An index over a graph of the package `hnswlib-node`. Holds every vector twice, here and in the graph: so scores are
 * exact, what few entries match is found exactly, and the graph can be made anew.
 *
 * @throws InvalidArgumentError; MissingPackageError with `whenMissing: 'throw'`; VectorIndexError where the native part
 * refuses.
 */
export async function hnswIndex(options: HnswIndexOptions): Promise<HnswIndex> {
  const checked = checkOptions('hnswIndex', options);
  const module = await moduleFor(checked);
  return new GraphIndex(checked, module, new VectorRows(shapeOf(checked)), undefined);
}

/**
 * Brings back what `toBytes()` gave, also that of another kind of index in memory. A graph that can't be used is made
 * anew from the vectors, with a notice.
 *
 * @throws IndexFileError, IndexMismatchError, as `restoreFlatIndex` does, and what {@link hnswIndex} throws.
 */
export async function restoreHnswIndex(
  bytes: Bytes,
  options: HnswIndexOptions & VectorCallOptions,
): Promise<HnswIndex> {
  const checked = checkOptions('restoreHnswIndex', options);
  const { signal } = options;
  const module = await moduleFor(checked);
  await using file = await temporaryFile();
  const saved = await readWithGraph(bytes, checked, file.path, signal);
  let graph: Graph | undefined;
  let problem = 'it was saved without one, or its labels are damaged.';
  if (module && saved.labels) {
    try {
      await checkGraphFile(file.path, saved.count);
      graph = Graph.read(module, graphOptions(checked), file.path, saved.labels);
    } catch (error) {
      if (!ChunkweaveError.isInstance(error)) throw error;
      problem = error.message;
    }
  }
  const index = new GraphIndex(checked, module, saved.rows, graph);
  if (module && !graph && saved.rows.size > 0) {
    await index.rebuild({ signal });
    checked.onNotice({ type: 'rebuilt', problem: `The graph was made anew: ${problem}` });
  }
  return index;
}

async function moduleFor(options: CheckedOptions): Promise<HnswlibModule | undefined> {
  try {
    return await loadHnswlib(options.load);
  } catch (error) {
    if (!(error instanceof MissingPackageError) || options.whenMissing === 'throw') throw error;
    const problem = `${error.message}. Until then every query looks at every vector.`;
    options.onNotice({ type: 'exact', problem });
    return undefined;
  }
}

interface Saved {
  readonly rows: VectorRows;
  readonly count: number;
  /** Undefined where there is no graph. */
  readonly labels: Uint32Array | undefined;
}

/** Reads rows, and puts the graph into a file. */
async function readWithGraph(
  bytes: Bytes,
  { embedder: source, metric }: CheckedOptions,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Saved> {
  let words: Uint32Array | undefined;
  const file = await open(path, 'wx', 0o600);
  let rows: VectorRows;
  try {
    const onExtra = async ({ kind, bytes }: Block): Promise<void> => {
      if (kind === kinds.graph) await file.writeFile(bytes);
      if (kind !== kinds.labels) return;
      if (bytes.byteLength % 4 !== 0) throw new IndexFileError('its labels are damaged');
      words = new Uint32Array(bytes.slice().buffer);
    };
    rows = await readSnapshot(bytes, { source, metric, signal, onExtra });
  } finally {
    await file.close();
  }
  const [count = 0, ...labels] = words ?? [];
  if (!words || labels.length !== rows.size || new Set(labels).size !== labels.length) {
    return { rows, count, labels: undefined };
  }
  return { rows, count, labels: Uint32Array.from(labels) };
}

class GraphIndex extends MemoryIndex implements HnswIndex {
  readonly #options: CheckedOptions;
  readonly #module: HnswlibModule | undefined;
  #graph: Graph | undefined;

  constructor(
    options: CheckedOptions,
    module: HnswlibModule | undefined,
    rows: VectorRows,
    graph: Graph | undefined,
  ) {
    const { embedder, metric } = options;
    const { dimensions, fingerprint } = embedder;
    super({ dimensions, metric, fingerprint }, rows);
    this.#options = options;
    this.#module = module;
    this.#graph = graph;
    if (!graph) this.start();
  }

  get isNative(): boolean {
    return this.#module !== undefined;
  }

  rebuild(options: VectorCallOptions = {}): Promise<void> {
    return this.inTurn(options, () => this.#rebuild(options));
  }

  protected override put(rows: VectorRows, entry: CheckedEntry): void {
    const { vector, scale } = entry;
    // When the native part refuses, nothing has changed yet.
    const label = this.#graph?.add(vector.map((value) => value * scale));
    const place = rows.put(entry);
    if (label !== undefined) this.#graph?.bind(label, place);
  }

  protected override take(rows: VectorRows, id: string): void {
    const place = rows.take(id);
    if (place !== undefined) this.#graph?.take(place);
  }

  protected override async afterRemoval(
    rows: VectorRows,
    options: VectorCallOptions,
  ): Promise<void> {
    const { rebuildAbove, exactUpTo } = this.#options;
    const share = this.#graph?.deletedShare ?? 0;
    if (share > rebuildAbove && rows.size > exactUpTo) await this.#rebuild(options);
  }

  protected override *nearest(
    rows: VectorRows,
    query: Float32Array,
    k: number,
    filter: MetadataFilter | undefined,
  ): Steps<VectorMatch[]> {
    const found = yield* this.#search(rows, query, k, filter);
    return found ?? (yield* super.nearest(rows, query, k, filter));
  }

  protected override start(): void {
    this.#graph = this.#module && Graph.create(this.#module, graphOptions(this.#options));
  }

  protected override stop(): void {
    this.#graph = undefined;
  }

  protected override extraBlocks(rows: VectorRows, signal?: AbortSignal): AsyncIterable<Block> {
    return blocksOf(this.#graph, rows, signal);
  }

  /** Undefined where the rows must be looked at one by one. */
  *#search(
    rows: VectorRows,
    query: Float32Array,
    k: number,
    filter: MetadataFilter | undefined,
  ): Steps<VectorMatch[] | undefined> {
    if (!this.#graph || rows.size <= this.#options.exactUpTo || 2 * k > rows.size) return undefined;
    let accepted: Uint8Array | undefined;
    let wanted = k;
    if (filter) {
      accepted = new Uint8Array(rows.end);
      const count = yield* accept(rows, filter, accepted);
      if (count <= Math.max(exactRows, exactShare * rows.size)) return undefined;
      wanted = Math.min(k, count);
    }
    // It may have been closed or cleared during a pause.
    const graph = this.#graph;
    if (!graph || !this.isCurrent(rows) || k > graph.count) return undefined;
    const places = graph.search(query, k, accepted && ((place) => accepted[place] === 1));
    const matches: VectorMatch[] = [];
    for (const place of places) {
      const id = rows.idAt(place);
      const metadata = id === undefined ? undefined : rows.metadataAt(place);
      if (id === undefined || !metadata || (filter && !filterMatches(filter, metadata))) continue;
      matches.push({ id, score: rows.score(place, query), metadata });
    }
    return matches.length < wanted ? undefined : matches.sort(byScoreThenId);
  }

  async #rebuild(options: VectorCallOptions): Promise<void> {
    const { rows } = this;
    if (!this.#module) return;
    const capacity = Math.max(this.#options.capacity, Math.ceil(1.1 * rows.size));
    const graph = Graph.create(this.#module, { ...graphOptions(this.#options), capacity });
    await runSteps(addAll(graph, rows), options);
    this.#graph = graph;
  }
}

function* addAll(graph: Graph, rows: VectorRows): Steps<void> {
  for (let place = 0; place < rows.end; place++) {
    if (rows.idAt(place) === undefined) continue;
    graph.bind(graph.add(rows.vectorAt(place)), place);
    yield place / rows.end;
  }
}

/** Notes the places of rows that match, and counts them. */
function* accept(rows: VectorRows, filter: MetadataFilter, accepted: Uint8Array): Steps<number> {
  let count = 0;
  for (let place = 0; place < accepted.length; place++) {
    if (place % 64 === 0) yield 0;
    if (rows.idAt(place) === undefined || !filterMatches(filter, rows.metadataAt(place))) continue;
    accepted[place] = 1;
    count++;
  }
  return count;
}

async function* blocksOf(
  graph: Graph | undefined,
  rows: VectorRows,
  signal: AbortSignal | undefined,
): AsyncGenerator<Block, void, void> {
  if (!graph || rows.size === 0) return;
  const places = Array.from({ length: rows.end }, (_, place) => place).filter(
    (place) => rows.idAt(place) !== undefined,
  );
  const words = Uint32Array.from([graph.count, ...graph.labelsOf(places)]);
  yield { kind: kinds.labels, bytes: new Uint8Array(words.buffer) };
  await pacer(signal)();
  await using file = await temporaryFile();
  await graph.write(file.path);
  for await (const bytes of piecesOf(file.path)) yield { kind: kinds.graph, bytes };
}

const shapeOf = ({ embedder: { dimensions }, metric }: CheckedOptions) => ({ dimensions, metric });

const graphOptions = (options: CheckedOptions): GraphOptions => ({
  ...options,
  ...shapeOf(options),
});
