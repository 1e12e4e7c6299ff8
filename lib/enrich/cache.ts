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

/** SHA-256 over everything that an answer depends on, each part by itself. */
export async function enrichmentKey(parts: readonly (string | number)[]): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(parts));
  const hash = await globalThis.crypto.subtle.digest('SHA-256', bytes);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
