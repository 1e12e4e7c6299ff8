import { canonical, type Cell } from '../../lib/evaluate/index.js';
import type { Arm } from '../fidelity/arms.js';
import type { ArmResult } from '../fidelity/lab.js';
import type { LayerRanks } from './layer-ranks.js';
import type { PassageImpacts } from './passage-impacts.js';

/** Something that is looked at besides answers. */
export interface Measure {
  readonly measure: 'layer-ranks' | 'passage-impacts';
  readonly warmup: string;
}

export type ClaimArm = Arm | Measure;
export type ClaimResult = ArmResult | LayerRanks | PassageImpacts;

/** What a paper says, as something that may turn out not to hold here. */
export interface Claim {
  readonly name: string;
  /** In the paper's terms. */
  readonly says: string;
  readonly paper: string;
  readonly arms: readonly ClaimArm[];
  readonly tests: readonly ClaimTest[];
}

/** One way of putting a claim to the test. It holds where the mean of its values is clear of zero, above it. */
export interface ClaimTest {
  /** Follows the claim's name. */
  readonly name: string;
  /** What the values are. */
  readonly measures: string;
  /** One value a case; cases that cannot give one are left out. */
  readonly values: (results: Results) => ReadonlyMap<string, number>;
  /** Numbers to look at beside it. */
  readonly figures?: (results: Results) => Readonly<Record<string, number>>;
}

/** Results of a run, arm by arm. */
export class Results {
  readonly #byArm = new Map<string, Map<string, ClaimResult>>();

  constructor(cells: readonly Cell<ClaimResult>[]) {
    for (const { case: id, arm, result } of cells) {
      const key = canonical(arm);
      const known = this.#byArm.get(key) ?? new Map<string, ClaimResult>();
      this.#byArm.set(key, known);
      known.set(id, result);
    }
  }

  of(arm: Arm): ReadonlyMap<string, ArmResult>;
  of(arm: Measure & { readonly measure: 'layer-ranks' }): ReadonlyMap<string, LayerRanks>;
  of(arm: Measure & { readonly measure: 'passage-impacts' }): ReadonlyMap<string, PassageImpacts>;
  of(arm: ClaimArm): ReadonlyMap<string, ClaimResult> {
    return this.#byArm.get(canonical({ ...arm })) ?? new Map();
  }
}
