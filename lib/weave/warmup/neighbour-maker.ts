import { encodeChunkAfter } from '../../encode/encode-chunk.js';
import type { CostModel } from '../../reuse/cost/cost-model.js';
import type { ChunkRecord, ChunkStore } from '../../store/chunk-store.js';
import type { BackgroundWriter } from '../background-writer.js';
import type { CellBudget } from '../cell-budget.js';
import type { KvLibrary } from '../kv-library.js';
import type { EncodingBase } from './encoding-base.js';
import type { PlannedPassage } from './neighbours.js';
import { type MakeOptions, Once } from './once.js';

export interface NeighbourMakerOptions {
  readonly prefix: EncodingBase;
  readonly cells: CellBudget;
  readonly library: KvLibrary;
  readonly store: ChunkStore;
  readonly writer: BackgroundWriter;
  readonly costs: CostModel;
}

/** Computes passages after their neighbours, each by itself, and keeps their KV. */
export class NeighbourMaker {
  readonly #options: NeighbourMakerOptions;
  readonly #once: Once;

  constructor(options: NeighbourMakerOptions) {
    this.#options = options;
    this.#once = new Once(options.store);
  }

  /** Milliseconds that computing so many tokens would take; undefined while nothing was measured. */
  expectedMs(tokens: number): number | undefined {
    const { costs, prefix } = this.#options;
    return costs.predictCompute({ tokens, before: prefix.length });
  }

  /**
   * Makes a passage's KV. Resolves to whether it was made here; without `wait` to undefined while someone else
   * computes it.
   *
   * @throws what the engine throws, or the signal's reason.
   */
  async make(passage: PlannedPassage, options: MakeOptions): Promise<boolean | undefined> {
    const { library, writer } = this.#options;
    const { key } = passage;
    const computeMs = this.expectedMs(computedTokens(passage));
    const made = await this.#once.run(key, { ...options, computeMs }, async (claims) => {
      if (await library.has(key)) return [];
      const record = await this.#compute(passage, options.signal);
      library.keep(key, record, () => claims.releaseAll());
      return [record];
    });
    await writer.room();
    return made && made.length > 0;
  }

  async #compute(passage: PlannedPassage, signal: AbortSignal): Promise<ChunkRecord> {
    const { prefix, cells, costs } = this.#options;
    const { own, warmup, context } = passage;
    const tokens = computedTokens(passage);
    const lease = await cells.acquire(tokens, signal);
    try {
      const { sequence } = await prefix.use(signal);
      const input = { prefix: sequence, warmup, tokens: own.tokens, signal };
      const { kv, computeMs } = await encodeChunkAfter(input);
      costs.observeCompute({ tokens, before: prefix.length }, computeMs);
      return {
        kv,
        computeMs,
        created: Date.now(),
        ...(own.source && { source: own.source }),
        ...(context && { context }),
      };
    } finally {
      lease.release();
    }
  }
}

/** Those of the neighbours included. */
export function computedTokens({ own, warmup }: PlannedPassage): number {
  return warmup.length + own.tokens.length;
}
