import { createRequire } from 'node:module';
import { join } from 'node:path';
import { hnswIndex } from '../../adapters/hnswlib/index.js';
import { pgliteIndex } from '../../adapters/pgvector/index.js';
import { flatIndex, type VectorIndex, type VectorSource } from '../../lib/index.js';

export interface BenchedIndex {
  readonly open: (embedder: VectorSource) => Promise<VectorIndex>;
  /** Larger ones are left out. */
  readonly maxSize: number;
}

/** The package as it is installed here, or in the folder that CHUNKWEAVE_HNSWLIB names. */
const loadHnswlib = async (): Promise<unknown> => {
  const folder = process.env['CHUNKWEAVE_HNSWLIB'] ?? process.cwd();
  return createRequire(join(folder, 'package.json'))('hnswlib-node');
};

export const indexes: Readonly<Record<string, BenchedIndex>> = {
  flat: { open: async (embedder) => flatIndex({ embedder }), maxSize: Infinity },
  hnswlib: {
    open: (embedder) => hnswIndex({ embedder, load: loadHnswlib, whenMissing: 'throw' }),
    maxSize: Infinity,
  },
  pgvector: { open: (embedder) => pgliteIndex({ embedder, timeoutMs: 120_000 }), maxSize: 10_000 },
};
