import { bootstrap, rankCorrelation } from '../../lib/evaluate/index.js';
import type { Arm } from '../fidelity/arms.js';
import type { Claim } from './claim.js';
import { lessKl } from './less-kl.js';

const context: Arm = { warmup: 'document', policy: 'context-all', ratio: 0.3 };
const random: Arm = { warmup: 'document', policy: 'random', ratio: 0.3 };
const impacts = { measure: 'passage-impacts', warmup: 'document' } as const;

export const cachecraft: Claim = {
  name: 'cachecraft',
  paper: 'Cache-Craft, arXiv 2502.15734',
  says: 'How much a chunk leaned on its context (CCI) predicts how far the output is off when it is reused; tokens that it chooses (CFO) beat random ones at 30%.',
  arms: [impacts, context, random],
  tests: [
    {
      name: 'cci',
      measures:
        "rank correlation of passages' CCI and the KL that each one's stale KV alone causes, within a prompt",
      values: (results) =>
        new Map(
          [...results.of(impacts)].flatMap(([id, { cci, kl }]) => {
            const rho = rankCorrelation(cci, kl);
            return Number.isNaN(rho) ? [] : [[id, rho]];
          }),
        ),
      figures(results) {
        const all = [...results.of(impacts).values()];
        const passages = all.reduce((sum, { cci }) => sum + cci.length, 0);
        if (passages === 0) return { passages };
        const { value, low, high } = bootstrap(all.length, (drawn) => {
          const some = [...drawn].map((i) => all[i] as (typeof all)[0]);
          return rankCorrelation(
            some.flatMap(({ cci }) => cci),
            some.flatMap(({ kl }) => kl),
          );
        });
        return { passages, pooled: value, pooledLow: low, pooledHigh: high };
      },
    },
    lessKl('selection', context, random),
  ],
};
