import { encodeChunkAfter } from '../../encode/encode-chunk.js';
import { meanKv } from '../../encode/mean-kv.js';
import type { ChunkKv } from '../../engine/chunk-kv.js';
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

/** Computes passages after their neighbours and the text before them, each passage by itself, and keeps their KV. */
export class NeighbourMaker {
  readonly #options: NeighbourMakerOptions;
  readonly #once: Once;

  constructor(options: NeighbourMakerOptions) {
    this.#options = options;
    this.#once = new Once(options.store);
  }

  /** Milliseconds that encodings of so many tokens would take; undefined while nothing was measured. */
  expectedMs(encodings: readonly number[]): number | undefined {
    const { costs, prefix } = this.#options;
    let total = 0;
    for (const tokens of encodings) {
      const ms = costs.predictCompute({ tokens, before: prefix.length });
      if (ms === undefined) return undefined;
      total += ms;
    }
    return total;
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
    const computeMs = this.expectedMs(encodingsOf(passage));
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
    const { own, warmups, context } = passage;
    // One after another, each gives its cells back.
    const lease = await cells.acquire(Math.max(...encodingsOf(passage)), signal);
    try {
      const { sequence } = await prefix.use(signal);
      const parts: ChunkKv[] = [];
      let computeMs = 0;
      for (const warmup of warmups) {
        const input = { prefix: sequence, warmup, tokens: own.tokens, signal };
        const made = await encodeChunkAfter(input);
        const tokens = warmup.length + own.tokens.length;
        costs.observeCompute({ tokens, before: prefix.length }, made.computeMs);
        parts.push(made.kv);
        computeMs += made.computeMs;
      }
      return {
        kv: meanKv(parts),
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

/** Tokens of each encoding, those before the passage included. */
export function encodingsOf({ own, warmups }: PlannedPassage): number[] {
  return warmups.map(({ length }) => length + own.tokens.length);
}
