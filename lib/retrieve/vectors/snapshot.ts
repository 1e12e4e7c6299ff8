import { IndexFileError, IndexMismatchError } from '../../errors.js';
import { pacer } from '../../pace.js';
import { maxVectorLength, type VectorMetric, type VectorSource } from '../vector-index.js';
import type { VectorMetadata } from '../vector-metadata.js';
import { type Block, BlockWriter, type Bytes, endKind, readBlocks } from './blocks.js';
import { metrics } from './entries.js';
import { isStorableText } from '../filter.js';
import { copyMetadata } from './metadata.js';
import { VectorRows } from './rows.js';

/** What an index was made for; its file says it first. */
export interface SnapshotHeader {
  readonly dimensions: number;
  readonly metric: VectorMetric;
  readonly fingerprint: string;
}

/** Blocks that an index adds to its rows, by kinds of its own; other indexes skip them. */
export type ExtraBlocks = Iterable<Block> | AsyncIterable<Block>;

const kinds = { header: 1, names: 2, vectors: 3 } as const;
/** The first kind that stands free for {@link ExtraBlocks}. */
export const firstExtraKind = 16;

const format = 'chunkweave-vectors';
const groupBytes = 2 ** 18;

/** The bytes of an index. Rows must not change before the last piece is taken. */
export async function* writeSnapshot(
  header: SnapshotHeader,
  rows: VectorRows,
  extra: ExtraBlocks = [],
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const pause = pacer(signal);
  const writer = new BlockWriter();
  yield writer.signature();
  yield writer.block(kinds.header, toJson({ format, version: 1, ...header, size: rows.size }));
  for (const group of groupsOf(rows, header.dimensions)) {
    await pause();
    const vectors = new Float32Array(group.places.length * header.dimensions);
    for (const [i, place] of group.places.entries()) {
      vectors.set(rows.vectorAt(place), i * header.dimensions);
    }
    yield writer.block(kinds.names, new TextEncoder().encode(`[${group.names.join(',')}]`));
    yield writer.block(kinds.vectors, new Uint8Array(vectors.buffer));
  }
  for await (const { kind, bytes } of extra) {
    await pause();
    yield writer.block(kind, bytes);
  }
  yield writer.block(endKind, new Uint8Array(0));
}

/** Rows in the order of their places, cut so that neither names nor vectors of a group grow large. */
function* groupsOf(rows: VectorRows, dimensions: number): Generator<Group, void, void> {
  const most = Math.max(1, Math.floor(groupBytes / (4 * dimensions)));
  let group: Group = { places: [], names: [] };
  let characters = 0;
  for (let place = 0; place < rows.end; place++) {
    const id = rows.idAt(place);
    if (id === undefined) continue;
    const name = JSON.stringify([id, rows.metadataAt(place)]);
    group.places.push(place);
    group.names.push(name);
    characters += name.length;
    if (group.places.length < most && characters < groupBytes) continue;
    yield group;
    group = { places: [], names: [] };
    characters = 0;
  }
  if (group.places.length > 0) yield group;
}

interface Group {
  readonly places: number[];
  /** JSON of id and metadata, a row each. */
  readonly names: string[];
}

export interface ReadSnapshotOptions {
  readonly source: VectorSource;
  readonly metric: VectorMetric;
  readonly signal?: AbortSignal | undefined;
  /** Is given every block that is no row's. */
  readonly onExtra?: (block: Block) => void | Promise<void>;
}

/**
 * Reads what {@link writeSnapshot} made. Places are those of the order in which rows were written.
 * @throws IndexFileError, IndexMismatchError, the signal's reason
 */
export async function readSnapshot(
  bytes: Bytes,
  options: ReadSnapshotOptions,
): Promise<VectorRows> {
  const { signal, onExtra } = options;
  const { dimensions } = options.source;
  const pause = pacer(signal);
  let header: FileHeader | undefined;
  const rows = new VectorRows({ dimensions, metric: options.metric });
  let names: readonly Name[] | undefined;
  for await (const block of readBlocks(bytes)) {
    await pause();
    if (!header) {
      header = headerOf(block);
      checkHeader(header, options);
      continue;
    }
    if (block.kind === kinds.names) {
      if (names) throw new IndexFileError('names stand without vectors');
      names = namesOf(block.bytes);
    } else if (block.kind === kinds.vectors) {
      if (!names) throw new IndexFileError('vectors stand without names');
      putRows(rows, names, vectorsOf(block.bytes, names.length, options));
      names = undefined;
    } else if (block.kind !== endKind) await onExtra?.(block);
  }
  if (!header || names || rows.size !== header.size) {
    throw new IndexFileError('it does not hold what it says that it holds');
  }
  return rows;
}

interface FileHeader extends SnapshotHeader {
  readonly size: number;
}

interface Name {
  readonly id: string;
  readonly metadata: VectorMetadata;
}

function headerOf({ kind, bytes }: Block): FileHeader {
  const header = kind === kinds.header ? fromJson(bytes) : undefined;
  if (typeof header !== 'object' || header === null) throw new IndexFileError('it has no header');
  const {
    format: itsFormat,
    version,
    size,
    dimensions,
    metric,
    fingerprint,
  } = header as Partial<Record<string, unknown>>;
  if (itsFormat !== format || version !== 1) {
    throw new IndexFileError(`it is of version ${String(version)}, which is not known here`);
  }
  if (
    !Number.isSafeInteger(size) ||
    !Number.isSafeInteger(dimensions) ||
    !metrics.includes(metric as VectorMetric) ||
    typeof fingerprint !== 'string'
  ) {
    throw new IndexFileError('its header is damaged');
  }
  return header as FileHeader;
}

function checkHeader(header: FileHeader, { source, metric }: ReadSnapshotOptions): void {
  if (header.fingerprint !== source.fingerprint) {
    throw new IndexMismatchError(
      `The saved index holds vectors of the embedder "${header.fingerprint.slice(0, 80)}", not of "${source.fingerprint.slice(0, 80)}".`,
    );
  }
  if (header.dimensions !== source.dimensions) {
    throw new IndexMismatchError(
      `The saved index has ${header.dimensions} dimensions, and the embedder ${source.dimensions}.`,
    );
  }
  if (header.metric !== metric) {
    throw new IndexMismatchError(
      `The saved index was made for the metric ${header.metric}, not for ${metric}.`,
    );
  }
}

function namesOf(bytes: Uint8Array): Name[] {
  const list = fromJson(bytes);
  if (!Array.isArray(list)) throw new IndexFileError('its names are damaged');
  return list.map((pair: unknown) => {
    const [id, metadata] = Array.isArray(pair) ? (pair as unknown[]) : [];
    if (!isStorableText(id) || id === '') throw new IndexFileError('an id in it is damaged');
    try {
      return { id, metadata: copyMetadata(metadata as VectorMetadata) };
    } catch (cause) {
      throw new IndexFileError('metadata in it are damaged', { cause });
    }
  });
}

function vectorsOf(
  bytes: Uint8Array,
  count: number,
  { source: { dimensions }, metric }: ReadSnapshotOptions,
): Float32Array {
  if (bytes.byteLength !== 4 * count * dimensions) {
    throw new IndexFileError('its vectors are not as many as its names');
  }
  const vectors = new Float32Array(bytes.slice().buffer);
  for (let at = 0; at < vectors.length; at += dimensions) {
    let squares = 0;
    for (let i = at; i < at + dimensions; i++) squares += (vectors[i] as number) ** 2;
    const length = Math.sqrt(squares);
    const isGood = metric === 'cosine' ? Math.abs(length - 1) < 1e-3 : length <= maxVectorLength;
    if (!isGood) throw new IndexFileError('a vector in it is damaged');
  }
  return vectors;
}

function putRows(rows: VectorRows, names: readonly Name[], vectors: Float32Array): void {
  const dimensions = vectors.length / Math.max(1, names.length);
  for (const [i, { id, metadata }] of names.entries()) {
    if (rows.placeOf(id) !== undefined) throw new IndexFileError('an id comes twice in it');
    const vector = vectors.subarray(i * dimensions, (i + 1) * dimensions);
    rows.put({ id, vector, scale: 1, metadata });
  }
}

const toJson = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

function fromJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new IndexFileError('a text in it is damaged', { cause });
  }
}
