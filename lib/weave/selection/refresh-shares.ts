import { plannedTokens } from '../../reuse/check-plan.js';
import { staleTokens } from '../../reuse/budget.js';
import type { PassageView, RefreshPlan } from '../../reuse/policy.js';

/** How much the latest plan counts. */
const weight = 0.2;

/** What share of the tokens that are not exact policies compute again, by what they planned so far. */
export class RefreshShares {
  readonly #shares = new Map<string, number>();

  observe(plan: RefreshPlan, passages: readonly PassageView[]): void {
    const stale = staleTokens(passages);
    if (stale === 0) return;
    const share = Math.min(1, plannedTokens(plan) / stale);
    const known = this.#shares.get(plan.policy);
    this.#shares.set(plan.policy, known === undefined ? share : known + weight * (share - known));
  }

  /** Undefined while the policy planned nothing. */
  of(policy: string): number | undefined {
    return this.#shares.get(policy);
  }
}
