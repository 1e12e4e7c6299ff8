import type { ScoredChunk, Selector } from '../../../lib/index.js';

/**
 * Takes the candidates that add most value for their cost, one after another, while they fit and add any. Stands in for the selectors of
 * the library where a part is run by itself.
 */
export const densest: Selector = {
  name: 'densest',
  async select({ question, candidates, budget, cost, value, order = (set) => [...set], signal }) {
    let chosen: ScoredChunk[] = [];
    let best = 0;
    let evaluations = 0;
    for (;;) {
      const sets = candidates
        .filter((hit) => !chosen.includes(hit))
        .map((hit) => order([...chosen, hit]))
        .filter((set) => cost.of(set) <= budget);
      if (sets.length === 0) break;
      const values = await value.of(sets, { question, ...(signal && { signal }) });
      evaluations += sets.length;
      const before = cost.of(order(chosen));
      const gains = values.map(
        (each, i) => (each - best) / Math.max(1e-9, cost.of(sets[i] ?? []) - before),
      );
      const top = gains.indexOf(Math.max(...gains));
      if (!((gains[top] ?? 0) > 0)) break;
      chosen = [...(sets[top] ?? [])];
      best = values[top] ?? best;
    }
    const chunks = order(chosen);
    const ids = new Set(chunks.map(({ chunk }) => chunk.id));
    return {
      chunks,
      value: best,
      cost: cost.of(chunks),
      evaluations,
      stopped: 'done',
      decisions: candidates.map((hit) => ({
        chunkId: hit.chunk.id,
        chosen: ids.has(hit.chunk.id),
        reason: ids.has(hit.chunk.id)
          ? 'it adds most for its cost'
          : 'it adds too little, or no room was left',
        cost: cost.of([hit]),
      })),
    };
  },
};
