import type {
  SavableVectorIndex,
  VectorCallOptions,
  VectorMetric,
  VectorSource,
} from './vector-index.js';
import type { Bytes } from './vectors/blocks.js';
import { checkSource } from './vectors/entries.js';
import { MemoryIndex } from './vectors/memory-index.js';
import { VectorRows } from './vectors/rows.js';
import { readSnapshot } from './vectors/snapshot.js';

export interface FlatIndexOptions {
  /** The embedder that the vectors come from, or its `fingerprint` and `dimensions`. */
  readonly embedder: VectorSource;
  /** Default `cosine`. */
  readonly metric?: VectorMetric;
}

/**
 * Exact nearest neighbours: every query is compared with every vector, in slices that leave the event loop its turns.
 * The choice for up to some 50,000 vectors. Holds 4 bytes a number, and id and metadata.
 *
 * @throws InvalidArgumentError
 */
export function flatIndex(options: FlatIndexOptions): SavableVectorIndex {
  const { embedder, metric = 'cosine' } = options;
  checkSource('flatIndex', embedder, metric);
  const { dimensions, fingerprint } = embedder;
  const rows = new VectorRows({ dimensions, metric });
  return new MemoryIndex({ dimensions, metric, fingerprint }, rows);
}

/**
 * Brings back what `toBytes()` gave, also that of another kind of index in memory: its vectors are the same.
 *
 * @throws IndexFileError for bytes that are damaged or cut short; IndexMismatchError for an index of another embedder,
 * dimension or metric; InvalidArgumentError; the signal's reason.
 */
export async function restoreFlatIndex(
  bytes: Bytes,
  options: FlatIndexOptions & VectorCallOptions,
): Promise<SavableVectorIndex> {
  const { embedder: source, metric = 'cosine', signal } = options;
  checkSource('restoreFlatIndex', source, metric);
  const rows = await readSnapshot(bytes, { source, metric, signal });
  const { dimensions, fingerprint } = source;
  return new MemoryIndex({ dimensions, metric, fingerprint }, rows);
}
