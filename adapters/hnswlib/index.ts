/** A vector index in memory over a graph of the optional package `hnswlib-node`. */

export { hnswIndex, restoreHnswIndex, type HnswIndex } from './hnsw-index.js';
export type { HnswIndexOptions, HnswNotice } from './options.js';
