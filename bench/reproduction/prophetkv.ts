import type { Arm } from '../fidelity/arms.js';
import type { Claim } from './claim.js';
import { lessKl } from './less-kl.js';

const at = (policy: string): Arm => ({ warmup: 'prefix', policy, ratio: 0.2 });

export const prophetkv: Claim = {
  name: 'prophetkv',
  paper: 'ProphetKV, arXiv 2602.02579',
  says: "Tokens that the question's attention over the cached keys weighs most are the ones to recompute: at 20%, ahead of CacheBlend's and of random ones.",
  arms: [at('question'), at('deviation'), at('random')],
  tests: [
    lessKl('overDeviation', at('question'), at('deviation')),
    lessKl('overRandom', at('question'), at('random')),
  ],
};
