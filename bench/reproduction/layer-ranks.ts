import { type Json, rankCorrelation } from '../../lib/evaluate/index.js';
import { type ChunkKv, layerKeys, layerValues } from '../../lib/index.js';
import { floatsOf } from '../../lib/engine/halves.js';

/** Of each layer but the last: how its tokens' deviations and those of the layer above are ranked alike (Spearman). */
export interface LayerRanks extends Record<string, Json> {
  readonly pairs: readonly number[];
}

/**
 * Deviation of cached KV from fresh one, the sum of squares over keys and values (CacheBlend's KV deviation), of each
 * token in each layer; tokens of all passages are ranked together.
 * @param passages of each: its KV as it was kept and as a full prefill gives it, both un-rotated
 */
export function layerRanks(
  passages: readonly { readonly cached: ChunkKv; readonly fresh: ChunkKv }[],
): LayerRanks {
  const layers = passages[0]?.fresh.layers.to ?? 0;
  const rows = Array.from({ length: layers }, (_, layer) =>
    passages.flatMap(({ cached, fresh }) => deviations(cached, fresh, layer)),
  );
  const pairs = rows
    .slice(1)
    // Layer 0 sees no other token: there is nothing but rounding to rank.
    .flatMap((row, i) => (i === 0 ? [] : [rankCorrelation(rows[i] as number[], row)]));
  return { pairs: pairs.filter((rho) => !Number.isNaN(rho)) };
}

function deviations(cached: ChunkKv, fresh: ChunkKv, layer: number): number[] {
  const count = fresh.tokens.length;
  const sums = Array.from<number>({ length: count }).fill(0);
  for (const part of [layerKeys, layerValues]) {
    const [a, b] = [floatsOf(part(cached, layer)), floatsOf(part(fresh, layer))];
    const width = a.length / count;
    for (let i = 0; i < a.length; i++) {
      (sums[Math.floor(i / width)] as number) += ((a[i] as number) - (b[i] as number)) ** 2;
    }
  }
  return sums;
}
