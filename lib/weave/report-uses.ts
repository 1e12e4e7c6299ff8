import type { PassageView, RefreshPlan } from '../reuse/policy.js';
import type { ChunkStore } from '../store/chunk-store.js';
import type { Obtained } from './kv-library.js';

/**
 * Tells a store how much of each record had to be computed again for a use of it, which Cache-Craft's eviction goes by.
 * What was made for this very use was not reused. Nobody waits for it, and nothing depends on it.
 */
export function reportUses(
  store: ChunkStore,
  passages: readonly PassageView[],
  obtained: readonly Obtained[],
  plan: RefreshPlan,
): void {
  if (!store.used) return;
  const recomputed = new Map(plan.passages.map(({ passage, tokens }) => [passage, tokens.length]));
  for (const [i, { key, cached }] of obtained.entries()) {
    const { length } = passages[i]?.tokens ?? [];
    if (!cached || !length) continue;
    void tell(store, key, (recomputed.get(i) ?? 0) / length);
  }
}

async function tell(store: ChunkStore, key: string, fixOverhead: number): Promise<void> {
  try {
    await store.used?.(key, { fixOverhead });
  } catch {
    // It evicts a little less well.
  }
}
