import { mean } from '../../lib/evaluate/index.js';
import type { Reranker, Retriever, ScoredChunk } from '../../lib/index.js';
import type { Arm } from './arms.js';
import { depth } from './measures.js';

export interface RerankedArmsOptions {
  /** By the names of their arms. */
  readonly bases: Readonly<Record<string, Retriever>>;
  readonly rerankers: Readonly<Record<string, Reranker>>;
  /** Hits of each base that are ordered anew; those behind them stay where they are. */
  readonly pool: number;
}

/** What of the base's own scores is mixed in, both standardised over the pool. */
const priors = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** Each base ordered anew by each reranker, which judges what all bases find for a question in one call. */
export function rerankedArms({ bases, rerankers, pool }: RerankedArmsOptions): Arm[] {
  return Object.entries(rerankers).flatMap(([kind, reranker]) => {
    const judged = new JudgedPools(reranker, Object.values(bases), pool);
    return Object.entries(bases).map(([base, retriever]): Arm => ({
      name: `${base} by ${kind}`,
      base,
      settings: priors.map((prior) => ({
        name: prior === 0 ? '' : `${prior} of its own`,
        retriever: reordered(retriever, judged, pool, prior),
      })),
    }));
  });
}

/** Scores of a question's candidates, asked for once however many bases and settings use them. */
class JudgedPools {
  readonly #reranker: Reranker;
  readonly #bases: readonly Retriever[];
  readonly #pool: number;
  readonly #known = new Map<string, Promise<ReadonlyMap<string, number>>>();

  constructor(reranker: Reranker, bases: readonly Retriever[], pool: number) {
    this.#reranker = reranker;
    this.#bases = bases;
    this.#pool = pool;
  }

  /** By the ids of chunks. */
  of(question: string): Promise<ReadonlyMap<string, number>> {
    const known = this.#known.get(question) ?? this.#judge(question);
    this.#known.set(question, known);
    return known;
  }

  async #judge(question: string): Promise<ReadonlyMap<string, number>> {
    const candidates = new Map<string, ScoredChunk>();
    for (const base of this.#bases) {
      for (const hit of await base.search(question, { k: this.#pool })) {
        if (!candidates.has(hit.chunk.id)) candidates.set(hit.chunk.id, hit);
      }
    }
    const ranked = await this.#reranker.rerank({ question, candidates: [...candidates.values()] });
    return new Map(ranked.map(({ chunk, score }) => [chunk.id, score]));
  }
}

function reordered(
  base: Retriever,
  judged: JudgedPools,
  pool: number,
  prior: number,
): Pick<Retriever, 'search'> {
  return {
    async search(question, options) {
      const hits = await base.search(question, { ...options, k: depth });
      const head = hits.slice(0, pool);
      const scores = await judged.of(question);
      const own = standardised(head.map(({ chunk }) => scores.get(chunk.id) ?? 0));
      const before = standardised(head.map(({ score }) => score));
      const mixed = own.map((value, i) => (1 - prior) * value + prior * (before[i] as number));
      const order = [...head.keys()].sort(
        (a, b) => (mixed[b] as number) - (mixed[a] as number) || a - b,
      );
      const all = [...order.map((i) => head[i] as ScoredChunk), ...hits.slice(pool)];
      return all.slice(0, options.k).map((hit, rank) => ({ ...hit, score: 1 / (rank + 1) }));
    },
  };
}

function standardised(values: readonly number[]): number[] {
  const middle = mean(values);
  const deviation = Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
  return values.map((value) => (deviation > 0 ? (value - middle) / deviation : 0));
}
