import type { CostModel } from '../../reuse/cost/cost-model.js';
import type { LoadWorth } from '../chunk-store.js';

/** Share of the time spent on computing records that looking again at a slow tier may cost. */
const probeShare = 1 / 20;
/** Loads that a tier is given before it is judged: the first ones are slow for reasons of their own. */
const trialLoads = 8;

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
    if (!worth || this.#costs.knownLoads(this.#tier) < trialLoads) return true;
    const loadMs = this.#costs.predictLoad(this.#tier, worth.bytes);
    if (loadMs === undefined || loadMs < worth.recomputeMs) return true;
    this.#credit += probeShare * worth.recomputeMs;
    if (this.#credit < loadMs - worth.recomputeMs) return false;
    this.#credit = 0;
    return true;
  }

  /** @param bytes of the KV that was loaded. */
  loaded(bytes: number, ms: number, worth?: LoadWorth): void {
    if (worth && ms < worth.recomputeMs) this.#forgetSlowness(bytes, ms, worth);
    this.#costs.observeLoad(this.#tier, bytes, ms);
  }

  /** What was seen before is over where a load that did not seem to pay did: it would be outvoted too slowly. */
  #forgetSlowness(bytes: number, ms: number, { recomputeMs }: LoadWorth): void {
    const expected = this.#costs.predictLoad(this.#tier, bytes);
    if (expected === undefined || expected < recomputeMs || ms > expected / 2) return;
    this.#costs.forgetLoads(this.#tier);
  }
}
