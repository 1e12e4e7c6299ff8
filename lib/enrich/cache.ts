import type { ChunkEnrichment } from './enrichment.js';

/** Keeps enrichments between runs. Keys are hexadecimal, values plain data, fit for JSON. */
export interface EnrichmentCache {
  get(key: string): Promise<ChunkEnrichment | undefined>;
  set(key: string, enrichment: ChunkEnrichment): Promise<void>;
}

/** Keeps them in memory: a map of any lifetime. */
export function memoryEnrichmentCache(
  entries: Map<string, ChunkEnrichment> = new Map(),
): EnrichmentCache {
  return {
    get: async (key) => entries.get(key),
    set: async (key, enrichment) => {
      entries.set(key, enrichment);
    },
  };
}
