import { mean } from '../../lib/evaluate/index.js';
import type { Arm } from '../fidelity/arms.js';
import type { Claim } from './claim.js';
import { lessKl } from './less-kl.js';

const deviation: Arm = { warmup: 'prefix', policy: 'deviation', ratio: 0.15 };
const random: Arm = { warmup: 'prefix', policy: 'random', ratio: 0.15 };
const ranks = { measure: 'layer-ranks', warmup: 'prefix' } as const;

export const cacheblend: Claim = {
  name: 'cacheblend',
  paper: 'CacheBlend, arXiv 2405.16444',
  says: 'Recomputing the tokens whose KV deviates most (HKVD) repairs more than recomputing others; which these are hardly changes from layer to layer.',
  arms: [deviation, random, ranks],
  tests: [
    lessKl('selection', deviation, random),
    {
      name: 'layers',
      measures: "rank correlation of tokens' deviations in neighbouring layers, mean of all pairs",
      values: (results) =>
        new Map([...results.of(ranks)].map(([id, { pairs }]) => [id, mean(pairs)])),
      figures(results) {
        const lists = [...results.of(ranks).values()].map(({ pairs }) => pairs);
        const byPair = (lists[0] ?? []).map((_, i) => mean(lists.map((pairs) => pairs[i] ?? NaN)));
        const least = Math.min(...byPair);
        return { least, leastLayer: byPair.indexOf(least) + 1 };
      },
    },
  ],
};
