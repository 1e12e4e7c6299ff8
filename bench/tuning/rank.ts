import { type Cell, mean, meanHeight } from '../../lib/evaluate/index.js';
import { kindOf } from '../fidelity/policies.js';
import type { ArmResult } from '../fidelity/lab.js';
import { costRange } from '../fidelity/report/area-tests.js';
import { type ArmResults, resultsByArm } from '../fidelity/report/results.js';

/** How a way of setting a policy did. */
export interface Trial {
  readonly policy: string;
  /** Mean KL over 5 to 30% of layer-tokens, as a share of what `none` over the same KV has; mean over sets of data. */
  readonly area: number;
}

/**
 * Trials of each policy, the best first.
 * @param data results of each set of data: `none` and candidates under one warm-up
 */
export function rank(data: readonly (readonly Cell<ArmResult>[])[]): Map<string, Trial[]> {
  const areas = new Map<string, number[]>();
  for (const cells of data) {
    for (const [policy, area] of areasOf(resultsByArm(cells))) {
      areas.set(policy, [...(areas.get(policy) ?? []), area]);
    }
  }
  const found = new Map<string, Trial[]>();
  for (const [policy, list] of areas) {
    // What failed on one set of data is not held against others.
    if (list.length < data.length) continue;
    const kind = kindOf(policy);
    found.set(kind, [...(found.get(kind) ?? []), { policy, area: mean(list) }]);
  }
  for (const trials of found.values()) trials.sort((a, b) => a.area - b.area);
  return found;
}

function areasOf(results: readonly ArmResults[]): Map<string, number> {
  const areas = new Map<string, number>();
  const tuned = results.filter(({ arm }) => arm.policy !== 'none');
  for (const warmup of new Set(tuned.map(({ arm }) => arm.warmup))) {
    const here = results.filter(({ arm }) => arm.warmup === warmup);
    const none = here.find(({ arm }) => arm.policy === 'none');
    // Cases that every candidate has: means over the same ones.
    const cases = [...(none?.byCase.keys() ?? [])].filter((id) =>
      here.every(({ byCase }) => byCase.has(id)),
    );
    if (!none || cases.length === 0) continue;
    const most = mean(cases.map((id) => none.byCase.get(id)?.kl ?? 0));
    for (const policy of new Set(here.map(({ arm }) => arm.policy))) {
      if (policy === 'none') continue;
      const arms = [none, ...here.filter(({ arm }) => arm.policy === policy)];
      const heights = cases.map((id) =>
        meanHeight(
          arms.flatMap(({ byCase }) => {
            const result = byCase.get(id);
            return result ? [{ x: result.share, y: result.kl }] : [];
          }),
          costRange.from,
          costRange.to,
        ),
      );
      areas.set(policy, mean(heights) / most);
    }
  }
  return areas;
}
