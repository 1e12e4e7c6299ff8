import type { Chunk } from '../document.js';
import { InvalidArgumentError, RetrievalError } from '../errors.js';
import { type Fusion, fuse, type RankedList } from './fusion.js';
import type { OnRetrievalNotice } from './notice.js';
import { assertCount, assertSearch } from './ranking.js';
import type { Retriever, ScoredChunk, SearchOptions } from './retriever.js';

export interface HybridRetrieverOptions {
  /** At least one, each under a name of its own: `{ lexical, dense }`. All hold the same chunks. */
  readonly retrievers: Readonly<Record<string, Retriever>>;
  /** What a retriever counts, by its name; not negative, default 1. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Default reciprocal rank. */
  readonly fusion?: Fusion;
  /** Chunks asked of each retriever; default three times `k`, at least 50. */
  readonly pool?: number;
  /** Told whenever a search went on without a retriever that failed. */
  readonly onNotice?: OnRetrievalNotice;
}

/**
 * Asks several retrievers at once and joins what they find. One that fails is left out of that search, with a notice;
 * chunks are added to and removed from all, and there a failure rejects, once none is at work any more: add them again.
 *
 * Restored retrievers are joined the same way. `search` throws RetrievalError when all of them fail.
 *
 * @throws InvalidArgumentError for no retrievers, or weights, fusion or pool that cannot be
 */
export function hybridRetriever(options: HybridRetrieverOptions): Retriever {
  return new FusingRetriever(options);
}

interface Side {
  readonly name: string;
  readonly retriever: Retriever;
  readonly weight: number;
}

class FusingRetriever implements Retriever {
  readonly #sides: readonly [Side, ...Side[]];
  readonly #fusion: Fusion;
  readonly #pool: number | undefined;
  readonly #onNotice: OnRetrievalNotice | undefined;
  readonly chunks?: () => Iterable<Chunk>;

  constructor({ retrievers, weights = {}, fusion, pool, onNotice }: HybridRetrieverOptions) {
    const [first, ...others] = Object.entries(retrievers).map(([name, retriever]): Side => ({
      name,
      retriever,
      weight: weights[name] ?? 1,
    }));
    if (!first) throw new InvalidArgumentError('hybridRetriever needs at least one retriever.');
    this.#sides = [first, ...others];
    assertWeights(this.#sides, weights);
    this.#fusion = fusion ?? { kind: 'reciprocal-rank' };
    assertFusion(this.#fusion);
    if (pool !== undefined) assertCount('pool', pool);
    this.#pool = pool;
    this.#onNotice = onNotice;
    const teller = this.#sides.find(({ retriever }) => retriever.chunks)?.retriever;
    if (teller) this.chunks = () => (teller.chunks as () => Iterable<Chunk>)();
  }

  get size(): number {
    return Math.max(...this.#sides.map(({ retriever }) => retriever.size));
  }

  async add(chunks: readonly Chunk[], options?: { readonly signal?: AbortSignal }): Promise<void> {
    await this.#all((retriever) => retriever.add(chunks, options));
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#all((retriever) => retriever.remove(ids));
  }

  async search(question: string, options: SearchOptions): Promise<ScoredChunk[]> {
    assertSearch(options);
    const { k, signal } = options;
    const pool = Math.max(k, this.#pool ?? Math.max(50, 3 * k));
    const ends = await Promise.allSettled(
      this.#sides.map(({ retriever }) => retriever.search(question, { ...options, k: pool })),
    );
    signal?.throwIfAborted();
    const lists: RankedList[] = [];
    const failures: { readonly name: string; readonly reason: unknown }[] = [];
    for (const [i, end] of ends.entries()) {
      const { name, weight } = this.#sides[i] as Side;
      if (end.status === 'fulfilled') lists.push({ hits: end.value, weight });
      else failures.push({ name, reason: end.reason });
    }
    if (lists.length === 0) {
      const told = failures.map(({ name, reason }) => `${name}: ${messageOf(reason)}`).join('; ');
      throw new RetrievalError(`None of the retrievers could be asked (${told}).`, {
        cause: failures[0]?.reason,
      });
    }
    for (const { name, reason } of failures) {
      this.#onNotice?.({
        kind: 'side-failed',
        message: `Searched without the retriever "${name}": ${messageOf(reason)}`,
        cause: reason,
      });
    }
    return fuse(lists, this.#fusion).slice(0, k);
  }

  /** Rejects with the first failure, when all are through. */
  async #all(work: (retriever: Retriever) => Promise<void>): Promise<void> {
    const ends = await Promise.allSettled(this.#sides.map(({ retriever }) => work(retriever)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}

function assertWeights(sides: readonly Side[], weights: Readonly<Record<string, number>>): void {
  const names = sides.map(({ name }) => name);
  const unknown = Object.keys(weights).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(
      `There is a weight for "${unknown}", but the retrievers are ${names.join(', ')}.`,
    );
  }
  const isWeight = ({ weight }: Side): boolean => weight >= 0 && Number.isFinite(weight);
  if (sides.every(isWeight) && sides.some(({ weight }) => weight > 0)) return;
  const shown = sides.map(({ name, weight }) => `${name} ${weight}`).join(', ');
  throw new InvalidArgumentError(
    `Weights must be at least 0, and one of them more; these are ${shown}.`,
  );
}

function assertFusion(fusion: Fusion): void {
  const { kind } = fusion;
  if (kind === 'reciprocal-rank') {
    const { k = 60 } = fusion;
    if (k >= 0 && Number.isFinite(k)) return;
    throw new InvalidArgumentError(`fusion.k must be a number of at least 0, not ${k}.`);
  }
  const { normalise = 'min-max' } = fusion;
  if (kind === 'weighted' && (normalise === 'min-max' || normalise === 'z-score')) return;
  throw new InvalidArgumentError('fusion is reciprocal-rank, or weighted with min-max or z-score.');
}
