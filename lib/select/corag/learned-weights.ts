import type { CoragSettings } from './settings.js';

/** What a configuration agent has learned: for each form of settings, a ridge regression of the regret that it leaves. */
export interface CoragAgentWeights {
  readonly version: 1;
  readonly features: readonly string[];
  /** Mean and standard deviation of each feature where it was trained. */
  readonly means: readonly number[];
  readonly deviations: readonly number[];
  readonly arms: readonly {
    readonly settings: Partial<CoragSettings>;
    /** Expected regret at the mean of all features, then what a deviation of each adds. */
    readonly weights: readonly number[];
  }[];
}
