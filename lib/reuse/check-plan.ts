import type { PassageView, RefreshPlan } from './policy.js';
import { PolicyError } from './policy-error.js';

/**
 * Refuses a plan that names passages or tokens that do not exist, or any of them twice, or layers that are out of
 * order or above `layers`.
 * @throws PolicyError that names the policy and what is wrong.
 */
export function checkPlan(
  policy: string,
  plan: RefreshPlan,
  passages: readonly Pick<PassageView, 'tokens'>[],
  layers = Infinity,
): void {
  if (!Array.isArray(plan?.passages)) throw new PolicyError(policy, 'returned no plan.');
  const seen = new Set<number>();
  for (const { passage, tokens } of plan.passages) {
    const view = passages[passage];
    if (!view) {
      throw new PolicyError(
        policy,
        `wants tokens of passage ${passage}, but passages are numbered 0 to ${passages.length - 1}.`,
      );
    }
    if (seen.has(passage)) throw new PolicyError(policy, `names passage ${passage} twice.`);
    seen.add(passage);
    checkTokens(policy, passage, tokens, view.tokens.length);
  }
  checkNarrowing(policy, plan, layers);
}

function checkNarrowing(policy: string, { narrowing = [] }: RefreshPlan, layers: number): void {
  let last = 0;
  for (const { layer } of narrowing) {
    if (!Number.isInteger(layer) || layer <= last || layer >= layers) {
      throw new PolicyError(
        policy,
        `leaves tokens out from layer ${layer}; layers must ascend from 1 to ${layers - 1}.`,
      );
    }
    last = layer;
  }
}

function checkTokens(policy: string, passage: number, tokens: Int32Array, count: number): void {
  if (!ArrayBuffer.isView(tokens)) {
    throw new PolicyError(policy, `gives no Int32Array of tokens for passage ${passage}.`);
  }
  const taken = new Uint8Array(count);
  for (const token of tokens as Int32Array) {
    if (!Number.isInteger(token) || token < 0 || token >= count) {
      throw new PolicyError(
        policy,
        `wants token ${token} of passage ${passage}, which has the tokens 0 to ${count - 1}.`,
      );
    }
    if (taken[token] === 1) {
      throw new PolicyError(policy, `wants token ${token} of passage ${passage} twice.`);
    }
    taken[token] = 1;
  }
}

/** Number of tokens that a plan computes again. */
export function plannedTokens(plan: RefreshPlan): number {
  let count = 0;
  for (const { tokens } of plan.passages) count += tokens.length;
  return count;
}
