import type { ModelInfo, PassageView, RecomputePolicy } from '../../../../lib/index.js';

/** Shares of 100 stale tokens that each narrowing of a plan leaves, the deviation of each token being its number. */
export function plannedRatios(policy: RecomputePolicy, given: { msPerToken?: number }): number[] {
  const passage: PassageView = {
    chunkId: 'doc#0',
    documentId: 'doc',
    tokens: new Int32Array(100),
    position: 0,
    exact: false,
    cached: true,
  };
  const plan = policy.plan({
    model: { layers: 30 } as ModelInfo,
    passages: [passage],
    questionTokens: 3,
    probes: { questionAttention: () => Promise.reject(new Error('no probe is needed')) },
    ...given,
  });
  if (plan instanceof Promise) throw new Error('The plan should be there at once.');
  const live = [Int32Array.from({ length: 100 }, (_, i) => i)];
  const row = [Float32Array.from({ length: 100 }, (_, i) => i)];
  return (plan.narrowing ?? []).map(({ keep }) => {
    const kept = keep({ live, deviation: { keys: row, values: row } } as never);
    return (kept[0]?.length ?? 0) / 100;
  });
}
