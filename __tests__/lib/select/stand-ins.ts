import type { Chunk } from '../../../lib/index.js';
import type { QuestionProbe, ScoredChunk, SearchNode, Selector } from '../../../lib/index.js';

export const chunkOf = (id: string): Chunk => ({
  id,
  documentId: `document of ${id}`,
  start: 0,
  end: 1,
  text: id,
  tokens: new Int32Array(4),
  tokenStart: 0,
});

export const hits = (...ids: string[]): ScoredChunk[] =>
  ids.map((id, i) => ({ chunk: chunkOf(id), score: ids.length - i }));

const work = { layerTokens: 0, batches: 1, placeMs: 0, computeMs: 0, encodeMs: 0 };

export interface ProbeCalls {
  readonly sets: (readonly string[])[];
}

/** A probe that says what it is told to: losses by the set's ids joined by a blank, masses by id. */
export function probeOf(
  losses: Readonly<Record<string, readonly number[]>>,
  masses: Readonly<Record<string, readonly number[]>> = {},
  missing: readonly string[] = [],
): QuestionProbe & ProbeCalls {
  const calls: (readonly string[])[] = [];
  return {
    sets: calls,
    async losses(sets) {
      const names = sets.map((set) => set.map(({ id }) => id));
      calls.push(...names);
      return {
        sets: names.map((ids) => Float32Array.from(losses[ids.join(' ')] ?? [])),
        missing,
        work,
      };
    },
    async attention(chunks) {
      return {
        chunks: chunks.map(({ id }) => masses[id] && Float32Array.from(masses[id])),
        layers: [1],
        work,
      };
    },
  };
}

/** Takes, time and again, the candidate that adds most value for its cost, until none adds any or fits. */
export function greedy(name = 'greedy'): Selector {
  return {
    name,
    async select({ question, candidates, budget, cost, value, order = (set) => [...set], signal }) {
      let chosen: ScoredChunk[] = [];
      let best = 0;
      let evaluations = 0;
      const root: SearchNode & { children: SearchNode[] } = { cost: 0, visits: 1, children: [] };
      let at = root;
      for (;;) {
        const left = candidates.filter(
          (hit) => !chosen.includes(hit) && cost.of(order([...chosen, hit])) <= budget,
        );
        if (left.length === 0) break;
        const sets = left.map((hit) => order([...chosen, hit]));
        const values = await value.of(sets, { question, ...(signal && { signal }) });
        evaluations += sets.length;
        const gains = values.map((each, i) => (each - best) / cost.of(sets[i]!));
        const top = gains.indexOf(Math.max(...gains));
        const children = left.map((hit, i) => ({
          chunkId: hit.chunk.id,
          cost: cost.of(sets[i]!),
          value: values[i]!,
          visits: 1,
          children: [] as SearchNode[],
        }));
        at.children.push(...children);
        if (!(gains[top]! > 0)) break;
        at = children[top]!;
        best = values[top]!;
        chosen = [...chosen, left[top]!];
      }
      const chunks = order(chosen);
      return {
        chunks,
        value: best,
        cost: cost.of(chunks),
        evaluations,
        stopped: 'done',
        decisions: candidates.map((hit) => ({
          chunkId: hit.chunk.id,
          chosen: chosen.includes(hit),
          reason: chosen.includes(hit) ? 'it adds most for its cost' : 'it adds too little',
          cost: cost.of([hit]),
        })),
        tree: root,
      };
    },
  };
}
