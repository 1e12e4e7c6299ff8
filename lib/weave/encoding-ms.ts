import type { ComputeWork, CostModel } from '../reuse/cost/cost-model.js';

/** Rows of a batch of encodings: one native compute of bounded size, so others get their turn in between. */
export const batchTokens = 512;
/** Tokens of a passage, where nothing is known of it. */
const passageTokens = 256;

/**
 * Milliseconds that encoding passages of so many tokens together would take, in batches, each passage after
 * `before` tokens; undefined while nothing was measured.
 */
export function encodingMs(costs: CostModel, tokens: number, before: number): number | undefined {
  const full = costs.predictCompute(passages(batchTokens, before));
  if (full === undefined) return undefined;
  const rest = tokens % batchTokens;
  const restMs = rest > 0 ? costs.predictCompute(passages(rest, before)) : 0;
  return Math.floor(tokens / batchTokens) * full + (restMs ?? 0);
}

function passages(tokens: number, before: number): ComputeWork[] {
  const work: ComputeWork[] = [];
  for (let left = tokens; left > 0; left -= passageTokens) {
    work.push({ tokens: Math.min(left, passageTokens), before });
  }
  return work;
}
