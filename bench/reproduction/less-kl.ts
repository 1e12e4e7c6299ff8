import { mean } from '../../lib/evaluate/index.js';
import type { Arm } from '../fidelity/arms.js';
import type { ClaimTest, Results } from './claim.js';

/** That one way of answering stays nearer to the full prefill than another one: KL of the other minus its own. */
export function lessKl(name: string, arm: Arm, other: Arm): ClaimTest {
  return {
    name,
    measures: `KL of ${nameOf(other)} minus that of ${nameOf(arm)}, nats a token`,
    values(results) {
      const own = results.of(arm);
      const differences = new Map<string, number>();
      for (const [id, { kl }] of results.of(other)) {
        const found = own.get(id);
        if (found) differences.set(id, kl - found.kl);
      }
      return differences;
    },
    figures: (results) => ({
      kl: meanKl(results, arm),
      otherKl: meanKl(results, other),
      share: mean([...results.of(arm).values()].map(({ share }) => share)),
      otherShare: mean([...results.of(other).values()].map(({ share }) => share)),
    }),
  };
}

function meanKl(results: Results, arm: Arm): number {
  return mean([...results.of(arm).values()].map(({ kl }) => kl));
}

function nameOf({ warmup, policy, ratio }: Arm): string {
  return policy === 'none' ? `${warmup}, none` : `${warmup}, ${policy} ${ratio * 100}%`;
}
