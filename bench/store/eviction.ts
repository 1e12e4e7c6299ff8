import { gdsfPolicy, lruPolicy, reusePolicy } from '../../lib/index.js';
import { round } from '../harness.js';
import { belady, mostPossible } from './cache/optimum.js';
import { simulate } from './cache/simulate.js';
import { equalItems, type Saved, scanThenHot, variedItems, zipf } from './cache/traces.js';
import type { StoreBench } from './part.js';

/** Share of what would hold everything. */
const CAPACITY = 0.1;

const policies = {
  lru: { make: lruPolicy, told: false },
  gdsf: { make: gdsfPolicy, told: false },
  reuse: { make: reusePolicy, told: false },
  // What it can do where whoever uses a record tells how much of it had to be repaired.
  'reuse-told': { make: reusePolicy, told: true },
} as const;

/**
 * What eviction policies keep at a tenth of what would hold everything: the share of requests that are hits, of bytes,
 * and of computing time saved, repairs taken off. On records of one size, where Belady's choice is the optimum of hits,
 * and on records whose tokens, costs and repairs vary, where no policy can do better than `atMost`.
 */
export const eviction: StoreBench = async ({ outcome: { figures } }) => {
  const kinds = { equal: equalItems(), varied: variedItems() };
  for (const [trace, requests] of Object.entries({ zipf: zipf(), scanThenHot: scanThenHot() })) {
    for (const [kind, items] of Object.entries(kinds)) {
      const capacity = Math.round(CAPACITY * items.reduce((sum, { bytes }) => sum + bytes, 0));
      // Of items that are all alike, the other shares say nothing more.
      const told: readonly (keyof Saved)[] =
        kind === 'equal' ? ['hits'] : ['hits', 'bytes', 'compute'];
      const tell = (policy: string, saved: Saved): void => {
        for (const name of told) {
          figures[`eviction.${trace}.${kind}.${policy}.${name}`] = round(saved[name]);
        }
      };
      const run = { requests, items, capacity };
      for (const [name, policy] of Object.entries(policies)) tell(name, simulate(run, policy));
      tell('belady', belady(run));
      if (kind === 'varied') tell('atMost', mostPossible(run));
    }
  }
};
