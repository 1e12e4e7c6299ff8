import { InvalidArgumentError } from '../../errors.js';
import type { ComputeWork, CostModel } from '../../reuse/cost/cost-model.js';
import type { ScoredChunk } from '../../retrieve/retriever.js';
import type { SetCost } from '../selector.js';

/** A candidate as it was when the snapshot was taken. */
export interface ChunkState {
  /** As it stands in prompts. */
  readonly tokens: number;
  /** Where its keys and values are; absent where they would have to be made. */
  readonly cached?: CachedAt;
}

export interface CachedAt {
  /** Name of the store's tier, as the cost model knows it. */
  readonly tier: string;
  /** Milliseconds that loading is expected to take; 0 while nothing was measured. */
  readonly loadMs: number;
}

export interface MillisecondsCostOptions {
  readonly costs: Pick<CostModel, 'predictCompute'>;
  /** By {@link Chunk.id}; every chunk that is asked for. */
  readonly chunks: ReadonlyMap<string, ChunkState>;
  /** Tokens of the canonical prefix. */
  readonly prefixTokens: number;
  /** Tokens of the question as it stands behind the passages. */
  readonly questionTokens: number;
  /**
   * Share of the tokens behind the first passage that a policy computes again, in [0, 1]; default 0.13, which is about what
   * `hybridPolicy` does.
   */
  readonly refreshShare?: number;
}

/** A token's milliseconds while nothing was measured: then costs compare, but are no times. */
const unmeasuredMs = 1;

/**
 * Milliseconds to the first token that a set adds to a prompt without passages, predicted from what was measured: passages that
 * are cached are loaded (or computed, where that is expected to be faster), others encoded right behind the prefix, a share of
 * all but the first computed again, and the question attends to them all.
 *
 * @throws InvalidArgumentError for a share that is none; `of` throws it for a chunk that the snapshot does not hold.
 */
export function millisecondsCost(options: MillisecondsCostOptions): SetCost {
  const { costs, chunks, prefixTokens, questionTokens, refreshShare = 0.13 } = options;
  if (!(refreshShare >= 0 && refreshShare <= 1)) {
    throw new InvalidArgumentError(
      `millisecondsCost: refreshShare is ${refreshShare}; give a share from 0 to 1.`,
    );
  }
  const computeMs = (work: readonly ComputeWork[]): number => {
    const tokens = work.reduce((sum, { tokens: count }) => sum + count, 0);
    return costs.predictCompute(work) ?? tokens * unmeasuredMs;
  };
  const stateOf = ({ chunk }: ScoredChunk): ChunkState => {
    const state = chunks.get(chunk.id);
    if (state) return state;
    throw new InvalidArgumentError(
      `millisecondsCost: nothing is known of ${chunk.id}; take the snapshot of all candidates.`,
    );
  };
  const questionMs = (before: number) => computeMs([{ tokens: questionTokens, before }]);
  const aloneMs = questionMs(prefixTokens);
  return {
    name: 'milliseconds',
    unit: 'milliseconds',
    of(set) {
      if (set.length === 0) return 0;
      const states = set.map(stateOf);
      const missing: ComputeWork[] = [];
      let loadMs = 0;
      let total = 0;
      for (const { tokens, cached } of states) {
        total += tokens;
        const encoding = { tokens, before: prefixTokens };
        if (cached) loadMs += Math.min(cached.loadMs, computeMs([encoding]));
        else missing.push(encoding);
      }
      const encodeMs = missing.length > 0 ? computeMs(missing) : 0;
      const again = refreshShare * (total - (states[0]?.tokens ?? 0));
      const asking = [
        // On average half of the passages stand before a token of one.
        { tokens: again, before: prefixTokens + total / 2 },
        { tokens: questionTokens, before: prefixTokens + total },
      ];
      return loadMs + encodeMs + Math.max(0, computeMs(asking) - aloneMs);
    },
  };
}
