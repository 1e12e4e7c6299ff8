import type { Embedder, Retriever, ScoredChunk } from '../../lib/index.js';

/** Embeds each text once: arms differ in what they make of the vectors. */
export function rememberVectors(embedder: Embedder): Embedder {
  const known = new Map<string, Float32Array>();
  return {
    fingerprint: embedder.fingerprint,
    dimensions: embedder.dimensions,
    async embed(texts, options) {
      const missing = [...new Set(texts)].filter((text) => !known.has(`${options.kind} ${text}`));
      if (missing.length > 0) {
        const made = await embedder.embed(missing, options);
        for (const [i, text] of missing.entries()) {
          known.set(`${options.kind} ${text}`, made[i] as Float32Array);
        }
      }
      return texts.map((text) => known.get(`${options.kind} ${text}`) as Float32Array);
    },
  };
}

/** Searches for each question once, at one depth. */
export function rememberHits(retriever: Retriever, depth: number): Retriever {
  const known = new Map<string, Promise<ScoredChunk[]>>();
  return {
    add: (chunks, options) => retriever.add(chunks, options),
    remove: (ids) => retriever.remove(ids),
    async search(question, { k }) {
      const hits = known.get(question) ?? retriever.search(question, { k: depth });
      known.set(question, hits);
      return (await hits).slice(0, k);
    },
    chunks: () => retriever.chunks?.() ?? [],
    get size() {
      return retriever.size;
    },
  };
}
