import { InvalidArgumentError } from '../../errors.js';
import type { SelectionRequest } from '../selector.js';
import { agentWeights } from './agent-weights.js';
import type { CoragAgentWeights } from './learned-weights.js';
import type { CoragAgent } from './corag.js';
import { featureNames, featuresOf } from './features.js';
import type { CoragSettings } from './settings.js';

export interface CoragAgentOptions {
  /** Default those that ship with the package, trained by `scripts/train-corag-agent.mjs`. */
  readonly weights?: CoragAgentWeights;
}

/**
 * Chooses the settings whose expected regret is least for a question and its candidates, after the configuration agent
 * of CORAG (arXiv 2411.00744), with a regression in the place of its network on embeddings. Whether the one that ships
 * beats fixed settings is told in docs/selection.md.
 *
 * @throws InvalidArgumentError for weights of another version or other features
 */
export function coragAgent({ weights = agentWeights }: CoragAgentOptions = {}): CoragAgent {
  const { version, features, means, deviations, arms } = weights;
  const size = featureNames.length;
  const isOurs =
    version === 1 &&
    features.join() === featureNames.join() &&
    means.length === size &&
    deviations.length === size &&
    arms.length > 0 &&
    arms.every((arm) => arm.weights.length === size + 1 && arm.weights.every(Number.isFinite));
  if (!isOurs) {
    throw new InvalidArgumentError(
      'coragAgent: the weights are of another version or for other features. Train them again.',
    );
  }
  return {
    name: `agent of ${arms.length} settings`,
    settingsFor(request: SelectionRequest): Partial<CoragSettings> {
      const values = featuresOf(request).map(
        // What lies far outside of what was seen says no more than its edge.
        (value, i) =>
          Math.max(
            -3,
            Math.min(3, (value - (means[i] as number)) / ((deviations[i] as number) || 1)),
          ),
      );
      let best = arms[0] as (typeof arms)[number];
      let least = Infinity;
      for (const arm of arms) {
        const [base = 0, ...slopes] = arm.weights;
        const expected = slopes.reduce(
          (sum, slope, i) => sum + slope * (values[i] as number),
          base,
        );
        if (expected >= least) continue;
        best = arm;
        least = expected;
      }
      return best.settings;
    },
  };
}
