import { checkPlan } from '../check-plan.js';
import type { RecomputePolicy, RefreshPlan } from '../policy.js';
import { PolicyError } from '../policy-error.js';
import { MeteredProbes } from './probes.js';
import type { RefreshTarget } from './target.js';

export interface MadePlan {
  readonly plan: RefreshPlan;
  readonly probeMs: number;
  /** Layer-tokens of the probes. */
  readonly probed: number;
}

/**
 * Asks a policy what to compute again.
 * @throws PolicyError when it fails, or when its plan cannot be carried out; what the engine throws; the signal's
 * reason.
 */
export async function makePlan(
  policy: RecomputePolicy,
  target: RefreshTarget,
  signal?: AbortSignal,
): Promise<MadePlan> {
  const { model, passages, question } = target;
  const probes = new MeteredProbes(target, signal);
  let plan: RefreshPlan;
  try {
    plan = await policy.plan({
      model,
      passages,
      questionTokens: question.length,
      probes,
      ...(target.msPerToken !== undefined && { msPerToken: target.msPerToken }),
      ...(signal && { signal }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    if (error === probes.error) throw error;
    throw new PolicyError(policy.name, `failed: ${String(error)}`, { cause: error });
  }
  checkPlan(policy.name, plan, passages, model.layers);
  return { plan, probeMs: probes.milliseconds, probed: probes.layerTokens };
}
