import { fileLog } from '../../adapters/fs/index.js';
import type { ChunkEnrichment, EnrichmentCache } from '../../lib/index.js';

/** What a model wrote, a line each in a file: of a run that is broken off, everything that was written is kept. */
export async function keptEnrichments(path: string): Promise<EnrichmentCache> {
  const log = fileLog(path);
  const known = new Map<string, ChunkEnrichment>();
  for await (const line of log.read()) {
    const entry = entryOf(line);
    if (entry) known.set(...entry);
  }
  let writing = Promise.resolve();
  return {
    get: async (key) => known.get(key),
    set(key, enrichment) {
      known.set(key, enrichment);
      // Two lines at once could end up in each other.
      writing = writing.then(() => log.append(JSON.stringify([key, enrichment])));
      return writing;
    },
  };
}

/** Undefined for a line that was cut short. */
function entryOf(line: string): [string, ChunkEnrichment] | undefined {
  try {
    return JSON.parse(line) as [string, ChunkEnrichment];
  } catch {
    return undefined;
  }
}
