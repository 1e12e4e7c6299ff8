import type { CostModel } from '../../reuse/cost/cost-model.js';
import type { LoadWorth } from '../chunk-store.js';

/** Share of the time spent on computing records that looking again at a slow tier may cost. */
const probeShare = 1 / 20;

/** Decides whether reading a tier pays, and finds out when one that was slow is fast again. */
export class Payoff {
  readonly #costs: CostModel;
  readonly #tier: string;
  #credit = 0;

  constructor(costs: CostModel, tier: string) {
    this.#costs = costs;
    this.#tier = tier;
  }

  /** Whether to read. Says yes now and then where it does not seem to pay. */
  pays(worth: LoadWorth | undefined): boolean {
    if (!worth) return true;
    const loadMs = this.#costs.predictLoad(this.#tier, worth.bytes);
    if (loadMs === undefined || loadMs < worth.recomputeMs) return true;
    this.#credit += probeShare * worth.recomputeMs;
    if (this.#credit < loadMs - worth.recomputeMs) return false;
    this.#credit = 0;
    return true;
  }

  /** @param bytes of the KV that was loaded. */
  loaded(bytes: number, ms: number, worth?: LoadWorth): void {
    const expected = this.#costs.predictLoad(this.#tier, bytes);
    const didNotPay = worth && expected !== undefined && expected >= worth.recomputeMs;
    // Far faster than believed: what was seen before is over, and would be outvoted too slowly.
    if (didNotPay && ms < worth.recomputeMs && ms < expected / 2) {
      this.#costs.forgetLoads(this.#tier);
    }
    this.#costs.observeLoad(this.#tier, bytes, ms);
  }
}
